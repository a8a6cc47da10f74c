// SPDX-License-Identifier: Apache-2.0
#include "agent/ctl/out.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "fairlead/base/printable.hpp"

namespace fairlead::ctl {
namespace {

bool colours = false;
std::size_t columns = 0;

constexpr std::size_t kLeast = 8;  // characters that a shortened column keeps

std::string scaled(double value, double step, const char* const* units, std::size_t count) {
  std::size_t unit = 0;
  // 999.95 would print as 1000.0.
  while (unit + 1 < count && std::fabs(value) >= step - 0.05) {
    value /= step;
    ++unit;
  }
  char text[48];
  const bool whole = unit == 0 && value == std::floor(value);
  std::snprintf(text, sizeof text, whole || std::fabs(value) >= 99.95 ? "%.0f%s" : "%.1f%s", value, units[unit]);
  return text;
}

/// Characters on the screen: bytes that begin a UTF-8 sequence.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

}  // namespace

void choose_colours(bool terminal) { colours = terminal && std::getenv("NO_COLOR") == nullptr; }

void choose_width(std::size_t characters) { columns = characters; }

std::string cut(const std::string& text, std::size_t most) {
  if (width(text) <= most) return text;
  std::size_t shown = 0;
  std::size_t end = 0;
  // Up to the first byte of the character that has no room beside the ellipsis.
  for (; end < text.size(); ++end)
    if ((text[end] & 0xc0) != 0x80 && shown++ == most - 1) break;
  return text.substr(0, end) + "…";
}

std::string paint(std::string_view text, Colour colour) {
  constexpr const char* kCodes[] = {"", "\033[32m", "\033[31m", "\033[33m", "\033[2m", "\033[1m"};
  if (!colours || colour == Colour::kNone) return std::string(text);
  return kCodes[static_cast<std::size_t>(colour)] + std::string(text) + "\033[0m";
}

std::string bytes_text(double bytes) {
  constexpr const char* kUnits[] = {" B", " KiB", " MiB", " GiB", " TiB", " PiB"};
  return scaled(bytes, 1024, kUnits, std::size(kUnits));
}

std::string count_text(double count) {
  constexpr const char* kUnits[] = {"", "k", "M", "G", "T"};
  return scaled(count, 1000, kUnits, std::size(kUnits));
}

std::string micros_text(double micros) {
  constexpr const char* kUnits[] = {" us", " ms", " s"};
  return scaled(micros, 1000, kUnits, std::size(kUnits));
}

std::string seconds_text(std::uint64_t seconds) {
  constexpr std::pair<std::uint64_t, char> kUnits[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
  std::string text;
  int shown = 0;
  for (const auto& [length, letter] : kUnits) {
    if (seconds < length && !(length == 1 && shown == 0)) continue;
    if (shown++ == 2) break;
    text.append(text.empty() ? "" : " ").append(std::to_string(seconds / length)) += letter;
    seconds %= length;
  }
  return text;
}

void Table::row(std::vector<Cell> cells) {
  for (auto& cell : cells) cell.text = printable(cell.text);
  rows_.push_back(std::move(cells));
}

/// Of the first columns so many that fit a line once texts are shortened; at least one.
std::size_t Table::fitting(const std::vector<std::size_t>& widths) const {
  std::size_t sum = 0;
  for (std::size_t i = 0; i < widths.size(); ++i) {
    sum += (columns_[i].align == Align::kLeft ? std::min(widths[i], kLeast) : widths[i]) + (i == 0 ? 0 : 2);
    if (columns != 0 && sum > columns) return std::max<std::size_t>(i, 1);
  }
  return widths.size();
}

/// As wide as the longest cell; on a terminal, the widest texts give way until the line fits.
std::vector<std::size_t> Table::widths() const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    widths.push_back(width(columns_[i].title));
    for (const auto& row : rows_)
      if (i < row.size()) widths[i] = std::max(widths[i], width(row[i].text));
  }
  widths.resize(fitting(widths));
  std::size_t sum = 0;
  for (std::size_t i = 0; i < widths.size(); ++i) sum += widths[i] + (i == 0 ? 0 : 2);
  while (columns != 0 && sum > columns) {
    std::size_t widest = widths.size();
    for (std::size_t i = 0; i < widths.size(); ++i)
      if (columns_[i].align == Align::kLeft && widths[i] > kLeast &&
          (widest == widths.size() || widths[i] > widths[widest]))
        widest = i;
    if (widest == widths.size()) break;
    --widths[widest];
    --sum;
  }
  return widths;
}

std::string Table::text() const {
  const auto widths = this->widths();
  std::string out;
  const auto line = [&](const std::vector<Cell>& cells) {
    std::string written;
    for (std::size_t i = 0; i < cells.size() && i < widths.size(); ++i) {
      const auto text = cut(cells[i].text, widths[i]);
      const std::string padding(widths[i] - width(text), ' ');
      const bool right = columns_[i].align == Align::kRight;
      if (i != 0) written += "  ";
      if (right) written += padding;
      written += paint(text, cells[i].colour);
      if (!right && i + 1 < cells.size() && i + 1 < widths.size()) written += padding;
    }
    out += written + "\n";
  };
  std::vector<Cell> titles;
  for (const auto& column : columns_) titles.push_back({column.title, Colour::kBold});
  line(titles);
  for (const auto& row : rows_) line(row);
  if (const auto missing = columns_.size() - widths.size(); missing != 0)
    out += paint(cut("+" + std::to_string(missing) + " columns: widen, or -o json", columns), Colour::kDim) + "\n";
  return out;
}

}  // namespace fairlead::ctl
