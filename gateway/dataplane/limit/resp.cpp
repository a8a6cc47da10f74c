// SPDX-License-Identifier: Apache-2.0
#include "fairlead/limit/resp.hpp"

#include <charconv>

namespace fairlead::limit {
namespace {

bool parse_number(std::string_view text, std::int64_t& out) {
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && at == text.data() + text.size();
}

class Parser {
 public:
  Parser(std::string_view data, std::vector<RespValue>& out) : data_(data), out_(out) {}

  RespStatus run() {
    for (std::size_t left = 1; left > 0; --left) {
      if (out_.size() >= kMostRespValues) return RespStatus::kBroken;
      const auto status = value(left);
      if (status != RespStatus::kComplete) return status;
    }
    return RespStatus::kComplete;
  }
  [[nodiscard]] std::size_t used() const { return at_; }

 private:
  RespStatus line(std::string_view& out) {
    const auto end = data_.find("\r\n", at_);
    if (end == std::string_view::npos) return RespStatus::kMore;
    out = data_.substr(at_, end - at_);
    at_ = end + 2;
    return RespStatus::kComplete;
  }

  RespStatus bulk(std::int64_t size) {
    if (size < -1 || size > static_cast<std::int64_t>(kMostRespBytes)) return RespStatus::kBroken;
    if (size == -1) {
      out_.push_back({});
      return RespStatus::kComplete;
    }
    const auto bytes = static_cast<std::size_t>(size);
    if (data_.size() - at_ < bytes + 2) return RespStatus::kMore;
    if (data_.substr(at_ + bytes, 2) != "\r\n") return RespStatus::kBroken;
    out_.push_back({.type = RespValue::Type::kText, .text = data_.substr(at_, bytes)});
    at_ += bytes + 2;
    return RespStatus::kComplete;
  }

  RespStatus value(std::size_t& left) {
    using Type = RespValue::Type;
    if (at_ >= data_.size()) return RespStatus::kMore;
    const char kind = data_[at_++];
    std::string_view text;
    const auto status = line(text);
    if (status != RespStatus::kComplete) return status;
    if (kind == '+' || kind == '-') {
      out_.push_back({.type = kind == '+' ? Type::kText : Type::kError, .text = text});
      return RespStatus::kComplete;
    }
    std::int64_t number = 0;
    if (!parse_number(text, number)) return RespStatus::kBroken;
    if (kind == '$') return bulk(number);
    if (kind == ':') {
      out_.push_back({.type = Type::kInteger, .integer = number});
      return RespStatus::kComplete;
    }
    if (kind != '*' || number < -1 || number > static_cast<std::int64_t>(kMostRespValues)) return RespStatus::kBroken;
    out_.push_back({.type = number < 0 ? Type::kNil : Type::kArray, .integer = number});
    if (number > 0) left += static_cast<std::size_t>(number);
    return RespStatus::kComplete;
  }

  std::string_view data_;
  std::vector<RespValue>& out_;
  std::size_t at_ = 0;
};

}  // namespace

RespStatus parse_resp(std::string_view data, std::size_t& used, std::vector<RespValue>& out) {
  out.clear();
  Parser parser(data, out);
  const auto status = parser.run();
  used = parser.used();
  return status == RespStatus::kMore && data.size() > kMostRespBytes ? RespStatus::kBroken : status;
}

void append_command(std::string& out, std::size_t arguments) {
  char digits[20];
  const auto* end = std::to_chars(digits, digits + sizeof digits, arguments).ptr;
  out += '*';
  out.append(digits, static_cast<std::size_t>(end - digits));
  out += "\r\n";
}

void append_argument(std::string& out, std::string_view argument) {
  char digits[20];
  const auto* end = std::to_chars(digits, digits + sizeof digits, argument.size()).ptr;
  out += '$';
  out.append(digits, static_cast<std::size_t>(end - digits));
  out += "\r\n";
  out += argument;
  out += "\r\n";
}

void append_argument(std::string& out, std::int64_t number) {
  char digits[24];
  const auto* end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  append_argument(out, std::string_view{digits, static_cast<std::size_t>(end - digits)});
}

void append_auth(std::string& out, std::string_view username, std::string_view password) {
  append_command(out, username.empty() ? 2 : 3);
  append_argument(out, "AUTH");
  if (!username.empty()) append_argument(out, username);
  append_argument(out, password);
}

}  // namespace fairlead::limit
