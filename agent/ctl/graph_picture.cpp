// SPDX-License-Identifier: Apache-2.0
// The graph as DOT and as SVG: callers on the left, services in the middle, what serves them on the right.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "agent/ctl/out.hpp"
#include "agent/ctl/pairs.hpp"

namespace fairlead::ctl {
namespace {

constexpr double kBoxWidth = 220, kBoxHeight = 34, kRowHeight = 52, kColumnWidth = 520, kMargin = 24;
constexpr double kLabelHeight = 14;

struct Line {
  double opened = 0, failed = 0, bytes = 0, bytes_rate = 0, redirected = 0;
};
using Pair = std::pair<std::string, std::string>;

struct Picture {
  std::array<std::vector<std::string>, 3> columns;  // callers, services, called
  std::map<Pair, Line> asks;                        // caller -> service
  std::map<Pair, Line> gives;                       // service -> called
};

void add(Line& line, const Edge& edge) {
  line.opened += edge.opened;
  line.failed += edge.failed;
  line.bytes += edge.bytes;
  line.bytes_rate += edge.bytes_rate;
  line.redirected += edge.redirected;
}

void take(std::vector<std::string>& column, const std::string& name) {
  if (std::find(column.begin(), column.end(), name) == column.end()) column.push_back(name);
}

Picture picture_of(const std::vector<Edge>& edges) {
  Picture picture;
  for (const auto& edge : edges) {
    const auto middle = asked_of(edge);
    take(picture.columns[0], edge.source);
    take(picture.columns[1], middle);
    add(picture.asks[{edge.source, middle}], edge);
    if (edge.service.empty() || (edge.destination == "unknown" && edge.opened == 0)) continue;
    take(picture.columns[2], edge.destination);
    add(picture.gives[{middle, edge.destination}], edge);
  }
  return picture;
}

std::string label_of(const Line& line) {
  std::string text;
  if (line.opened > 0) text = count_text(line.opened) + " conns, " + bytes_text(line.bytes);
  if (line.bytes_rate > 0) text += ", " + bytes_text(line.bytes_rate) + "/s";
  if (line.failed > 0) text += (text.empty() ? "" : ", ") + count_text(line.failed) + " failed";
  return text;
}

const char* colour_of(const Line& line) {
  if (line.failed > 0) return "#c0392b";
  return line.redirected > 0 ? "#1e8449" : "#5d6d7e";
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') out += "&amp;";
    else if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '"') out += "&quot;";
    else out += c;
  }
  return out;
}

std::string in_quotes(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) (c == '"' || c == '\\' ? out += '\\' : out) += c;
  return out + "\"";
}

double top_of(const std::vector<std::string>& column, const std::string& name, double height) {
  const auto row = static_cast<double>(std::find(column.begin(), column.end(), name) - column.begin());
  return (height - static_cast<double>(column.size()) * kRowHeight) / 2 + row * kRowHeight +
         (kRowHeight - kBoxHeight) / 2;
}

/// Sorts a column by the mean height of its neighbours on the left, which leaves few crossings.
void settle(std::vector<std::string>& column, const std::vector<std::string>& left, const std::map<Pair, Line>& lines) {
  std::map<std::string, double> place;
  for (const auto& name : column) {
    double sum = 0;
    double count = 0;
    for (const auto& [ends, line] : lines) {
      if (ends.second != name) continue;
      sum += static_cast<double>(std::find(left.begin(), left.end(), ends.first) - left.begin());
      ++count;
    }
    place[name] = count > 0 ? sum / count : 0;
  }
  std::stable_sort(column.begin(), column.end(), [&](const auto& a, const auto& b) { return place[a] < place[b]; });
}

std::string text_at(double x, double y, const char* style, const std::string& text) {
  char head[160];
  std::snprintf(head, sizeof head, "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"middle\" class=\"%s\">", x, y, style);
  return head + escaped(text) + "</text>\n";
}

/// What is written at a line, between two columns.
struct Label {
  double x = 0;
  double y = 0;  ///< as near to its line as the others leave room
  std::string text;
};

/// One above the other; there is room for all between `top` and `bottom`.
void spread(std::vector<Label>& labels, double top, double bottom) {
  std::ranges::stable_sort(labels, {}, &Label::y);
  double free = top;
  for (auto& label : labels) {
    label.y = std::max(label.y, free);
    free = label.y + kLabelHeight;
  }
  free = bottom;
  for (auto label = labels.rbegin(); label != labels.rend() && label->y > free; ++label) {
    label->y = free;
    free -= kLabelHeight;
  }
}

std::string curve(double x1, double y1, double x2, double y2, const Line& line) {
  char path[256];
  const double bend = (x2 - x1) / 2;
  const double width = 1 + std::min(5.0, std::log10(1 + line.opened + line.failed));
  std::snprintf(
      path, sizeof path,
      "<path d=\"M%.0f %.0f C%.0f %.0f %.0f %.0f %.0f %.0f\" stroke=\"%s\" stroke-width=\"%.1f\" fill=\"none\"%s/>\n",
      x1, y1, x1 + bend, y1, x2 - bend, y2, x2, y2, colour_of(line), width,
      line.opened > 0 ? "" : " stroke-dasharray=\"6 4\"");
  return path;
}

std::string box(double x, double y, std::size_t column, const std::string& name) {
  char rect[200];
  std::snprintf(rect, sizeof rect,
                "<rect x=\"%.0f\" y=\"%.0f\" width=\"%.0f\" height=\"%.0f\" rx=\"%d\" class=\"c%zu\"/>\n", x, y,
                kBoxWidth, kBoxHeight, column == 1 ? 17 : 5, column);
  // About 30 characters fit; the whole name shows when pointed at.
  const std::string shown = name.size() > 30 ? name.substr(0, 28) + "..." : name;
  return "<g><title>" + escaped(name) + "</title>" + rect + text_at(x + kBoxWidth / 2, y + 21, "n", shown) + "</g>\n";
}

}  // namespace

std::string graph_dot(const std::vector<Edge>& edges) {
  const auto picture = picture_of(edges);
  std::string out =
      "digraph fairlead {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n  edge "
      "[fontname=\"sans-serif\", fontsize=10];\n";
  for (const auto& name : picture.columns[1])
    out += "  " + in_quotes("service " + name) + " [shape=ellipse, label=" + in_quotes(name) + "];\n";
  const auto line = [&](const std::string& from, const std::string& to, const Line& what) {
    out += "  " + in_quotes(from) + " -> " + in_quotes(to) + " [label=" + in_quotes(label_of(what)) +
           ", color=" + in_quotes(colour_of(what)) + (what.opened > 0 ? "" : ", style=dashed") + "];\n";
  };
  for (const auto& [ends, what] : picture.asks) line(ends.first, "service " + ends.second, what);
  for (const auto& [ends, what] : picture.gives) line("service " + ends.first, ends.second, what);
  return out + "}\n";
}

std::string graph_svg(const std::vector<Edge>& edges) {
  auto picture = picture_of(edges);
  auto& columns = picture.columns;
  std::sort(columns[0].begin(), columns[0].end());
  settle(columns[1], columns[0], picture.asks);
  settle(columns[2], columns[1], picture.gives);
  const std::size_t rows = std::max({columns[0].size(), columns[1].size(), columns[2].size(), std::size_t{1}});
  const auto most_labels = static_cast<double>(std::max(picture.asks.size(), picture.gives.size()));
  const double height = std::max(static_cast<double>(rows) * kRowHeight, most_labels * kLabelHeight) + 2 * kMargin;
  const double width = 2 * kMargin + 2 * kColumnWidth + kBoxWidth;
  char head[640];
  std::snprintf(head, sizeof head,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\">\n"
                "<style>text{font-family:sans-serif;fill:#1b2631}.n{font-size:13px}.l{font-size:11px;paint-order:"
                "stroke;stroke:#fff;"
                "stroke-width:4px}rect{stroke:#34495e}.c0{fill:#eaf2f8}.c1{fill:#fef9e7}.c2{fill:#e9f7ef}</style>\n"
                "<rect width=\"%.0f\" height=\"%.0f\" style=\"fill:#fff;stroke:none\"/>\n",
                width, height, width, height, width, height);
  std::string lines;
  std::array<std::vector<Label>, 2> labels;
  const auto connect = [&](std::size_t column, const Pair& ends, const Line& line) {
    const double x1 = kMargin + static_cast<double>(column) * kColumnWidth + kBoxWidth;
    const double x2 = x1 + kColumnWidth - kBoxWidth;
    const double y1 = top_of(columns[column], ends.first, height) + kBoxHeight / 2;
    const double y2 = top_of(columns[column + 1], ends.second, height) + kBoxHeight / 2;
    lines += curve(x1, y1, x2, y2, line);
    labels[column].push_back({(x1 + x2) / 2, (y1 + y2) / 2 - 4, label_of(line)});
  };
  for (const auto& [ends, line] : picture.asks) connect(0, ends, line);
  for (const auto& [ends, line] : picture.gives) connect(1, ends, line);
  std::string boxes;
  for (std::size_t column = 0; column < columns.size(); ++column)
    for (const auto& name : columns[column])
      boxes += box(kMargin + static_cast<double>(column) * kColumnWidth, top_of(columns[column], name, height), column,
                   name);
  std::string texts;
  for (auto& column : labels) {
    spread(column, kMargin, height - kMargin);
    for (const auto& label : column) texts += text_at(label.x, label.y, "l", label.text);
  }
  return head + lines + boxes + texts + "</svg>\n";
}

}  // namespace fairlead::ctl
