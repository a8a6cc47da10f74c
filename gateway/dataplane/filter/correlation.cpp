// SPDX-License-Identifier: Apache-2.0
// Section correlation: a field that names a request, kept or made before anything else becomes of it.
#include <unistd.h>

#include <chrono>
#include <cstdio>

#include "fairlead/filter/make.hpp"
#include "fairlead/filter/probe.hpp"
#include "fairlead/filter/request.hpp"
#include "fairlead/model/request_origin.hpp"
#include "gateway/dataplane/filter/request_scope.hpp"

namespace fairlead::filter {
namespace {

struct Named final : State {
  explicit Named(std::string_view of) : name(of) {}
  std::string_view name;
};

/// Of the worker, as no two workers share a process and a connection.
std::string track(Request& request) {
  thread_local std::uint64_t count = 0;
  const auto& record = request.record();
  const auto now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  char time[32];
  std::snprintf(time, sizeof time, "%.3f", now);
  return record.local.address.text() + "-" + std::to_string(record.local.port) + "-" + std::to_string(getpid()) + "-" +
         std::to_string(record.connection_id) + "-" + std::to_string(++count) + "-" + time;
}

class Correlation final : public Filter {
 public:
  explicit Correlation(const model::Correlation& settings) : settings_(settings) {}

  Verdict on_request(Request& request) const override {
    auto& fields = request.head().fields;
    const auto* sent = http::find(fields, settings_.header);
    auto name = sent == nullptr ? std::string_view() : sent->value;
    if (name.empty()) name = request.arena().copy(made(request));
    // One line, so that nobody behind us takes another one for it.
    std::erase_if(fields, [&](const http::Field& field) { return field.name == settings_.header; });
    fields.push_back({settings_.header, name});
    if (settings_.echo) request.set_state(std::make_unique<Named>(name));
    return Verdict::kContinue;
  }

  Verdict on_response(Request& request, http::ResponseHead& head) const override {
    const auto* named = static_cast<const Named*>(request.state());
    if (named == nullptr) return Verdict::kContinue;
    std::erase_if(head.fields, [&](const http::Field& field) { return field.name == settings_.header; });
    head.fields.push_back({settings_.header, named->name});
    return Verdict::kContinue;
  }
  Preview preview(Probe& probe) const override { return probe.ask(*this); }

 private:
  [[nodiscard]] std::string made(Request& request) const {
    std::string out;
    switch (settings_.generator) {
      case model::Correlation::Generator::kUuid: append_uuid(request.random(), out); break;
      case model::Correlation::Generator::kCounter: append_counted(request.random(), out); break;
      case model::Correlation::Generator::kTracker: out = track(request); break;
    }
    return out;
  }

  const model::Correlation settings_;
};

}  // namespace

FilterPtr make_correlation(const model::Correlation& settings, Context&) {
  return std::make_shared<const Correlation>(settings);
}

}  // namespace fairlead::filter
