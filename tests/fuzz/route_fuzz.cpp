// SPDX-License-Identifier: Apache-2.0
// Tables and requests made from the input: the router answers what a look at every candidate (explain) answers.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "fairlead/route/explain.hpp"
#include "fairlead/route/path.hpp"

namespace {

using namespace fairlead;
using namespace fairlead::route;

/// Takes values off the input; zeros behind its end.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : left_(reinterpret_cast<const char*>(data), size) {}
  std::uint8_t octet() {
    if (left_.empty()) return 0;
    const auto value = static_cast<std::uint8_t>(left_.front());
    left_.remove_prefix(1);
    return value;
  }
  /// Up to the next zero.
  std::string text() {
    const auto end = left_.find('\0');
    std::string text(left_.substr(0, end));
    left_.remove_prefix(end == std::string_view::npos ? left_.size() : end + 1);
    return text;
  }
  [[nodiscard]] bool empty() const { return left_.empty(); }

 private:
  std::string_view left_;
};

constexpr const char* kHosts[] = {"a.com", "b.a.com", "*.com", "*.a.com"};

RouteMatch some_match(Input& in, std::uint8_t what) {
  RouteMatch match;
  match.path_kind = static_cast<PathKind>(what & 1);
  match.path = "/" + in.text();
  if ((what & 2) != 0) match.method = "GET";
  if ((what & 4) != 0) match.headers.push_back({"v", in.text(), Compare::kExact, {}});
  if ((what & 8) != 0) match.queries.push_back({"q", in.text(), Compare::kExact, {}});
  return match;
}

std::vector<RoutePtr> some_routes(Input& in) {
  std::vector<RoutePtr> routes;
  for (int i = 0; i < 16 && !in.empty(); ++i) {
    const auto what = in.octet();
    Route route;
    route.key = {"n", std::to_string(i)};
    route.created = what >> 7;
    if ((what & 64) == 0) route.hosts.emplace_back(kHosts[(what >> 4) & 3]);
    route.rules.push_back({{some_match(in, what)}});
    if (auto made = prepare(std::move(route))) routes.push_back(std::move(*made));
  }
  return routes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input in(data, size);
  const auto what = in.octet();
  const auto target = "/" + in.text();
  const auto value = in.text();
  Arena arena;
  Target normal;
  if (parse_target(target, {}, arena, normal) != PathError::kNone) return 0;
  const auto routes = some_routes(in);
  const auto router = Router::build(routes);
  http::RequestHead head;
  head.method = (what & 1) != 0 ? http::Method::kGet : http::Method::kPost;
  head.method_text = (what & 1) != 0 ? "GET" : "POST";
  if ((what & 2) != 0) head.fields.push_back({"v", value});
  const std::string_view hosts[] = {"a.com", "b.a.com", "x.com", "c.b.a.com"};
  const Request request{hosts[(what >> 2) & 3], normal.path, normal.query, &head};
  const auto match = router->match(request);
  const auto verdicts = explain(*router, request, 1);
  const bool won = !verdicts.empty() && verdicts[0].won;
  if (won != static_cast<bool>(match)) std::abort();
  if (won && verdicts[0].route != match.route) std::abort();
  return 0;
}
