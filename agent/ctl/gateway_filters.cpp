// SPDX-License-Identifier: Apache-2.0
#include <iostream>
#include <nlohmann/json.hpp>

#include "agent/ctl/answer.hpp"
#include "agent/ctl/command.hpp"
#include "agent/ctl/out.hpp"

namespace fairlead::ctl {
namespace {

using Json = nlohmann::ordered_json;

/// A metric's name without what all have in common.
std::string short_name(const std::string& name) {
  constexpr std::string_view kPrefix = "fairlead_gateway_";
  return name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name;
}

void append(std::string& out, const std::string& part) { out += (out.empty() ? "" : "; ") + part; }

std::string values_text(const Json& values) {
  std::string out;
  for (const auto& [value, count] : values.items()) out += (out.empty() ? "" : ", ") + value + " " + count.dump();
  return out;
}

std::string details_of(const Json& section) {
  std::string out;
  for (const char* rare : {"replaced", "abandoned"})
    if (section.at("requests").contains(rare)) append(out, rare + (" " + section.at("requests").at(rare).dump()));
  for (const auto& one : section.at("counts")) {
    std::string of;
    if (one.contains("of"))
      for (const auto& [name, value] : one.at("of").items()) of = " " + text(value);
    append(out, short_name(text(one.at("name"))) + of + ": " + values_text(one.at("values")));
  }
  for (const auto& [name, value] : section.at("holds").items()) append(out, short_name(name) + " " + value.dump());
  return out;
}

void print(const Json& json) {
  Table table;
  for (const char* title : {"POLICY", "SECTION"}) table.column(title);
  for (const char* title : {"PASSED", "ANSWERED", "REFUSED", "FAILED"}) table.column(title, Table::Align::kRight);
  table.column("DETAILS");
  for (const auto& section : json.at("sections")) {
    const auto cell = [&](const char* outcome, Colour colour) {
      const auto count = section.at("requests").value(outcome, std::uint64_t{0});
      return Cell{std::to_string(count), count > 0 ? colour : Colour::kNone};
    };
    table.row({{text(section.at("policy"))},
               {text(section.at("section"))},
               cell("passed", Colour::kNone),
               cell("answered", Colour::kNone),
               cell("refused", Colour::kYellow),
               cell("failed", Colour::kRed),
               {details_of(section)}});
  }
  std::cout << (table.empty() ? "no policies\n" : table.text());
}

}  // namespace

int run_gateway_filters(const Arguments& arguments) { return show_answer(arguments, "/v1/gateway/filters", print); }

}  // namespace fairlead::ctl
