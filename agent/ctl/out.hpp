// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fairlead::ctl {

enum class Colour : std::uint8_t { kNone, kGreen, kRed, kYellow, kDim, kBold };

/// Whether text is coloured: only on a terminal, and not where NO_COLOR is set (no-color.org).
void choose_colours(bool terminal);
/// Characters that fit a line; 0 (no terminal): any number. Tables shorten their longest texts to fit.
void choose_width(std::size_t characters);
/// At most `most` characters; what is cut ends with an ellipsis.
[[nodiscard]] std::string cut(const std::string& text, std::size_t most);
[[nodiscard]] std::string paint(std::string_view text, Colour colour);

/// "1.2 KiB"; below a KiB "17 B".
[[nodiscard]] std::string bytes_text(double bytes);
/// "1.2k", "3.4M".
[[nodiscard]] std::string count_text(double count);
/// "85 us", "1.2 ms", "3.4 s".
[[nodiscard]] std::string micros_text(double micros);
/// "3d 4h", "2h 5m", "12s".
[[nodiscard]] std::string seconds_text(std::uint64_t seconds);

struct Cell {
  std::string text;
  Colour colour = Colour::kNone;
};

/// Columns as wide as their longest cell; numbers to the right. What does not fit the screen gives way: first long
/// texts, then the last columns, and a line says so. Owner: the command. Thread: one.
class Table {
 public:
  enum class Align : std::uint8_t { kLeft, kRight };
  void column(std::string title, Align align = Align::kLeft) { columns_.push_back({std::move(title), align}); }
  void row(std::vector<Cell> cells);
  [[nodiscard]] bool empty() const { return rows_.empty(); }
  [[nodiscard]] std::string text() const;

 private:
  [[nodiscard]] std::size_t fitting(const std::vector<std::size_t>& widths) const;
  [[nodiscard]] std::vector<std::size_t> widths() const;
  struct Column {
    std::string title;
    Align align;
  };
  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace fairlead::ctl
