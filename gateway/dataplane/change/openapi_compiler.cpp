// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "fairlead/base/ascii.hpp"
#include "gateway/dataplane/change/openapi_parts.hpp"

namespace fairlead::change {

namespace {

/// A piece of a path as those of requests are: triplets in upper case, and only for what is not unreserved.
std::string as_in_requests(std::string_view text) {
  constexpr std::string_view kAsIs = "-._~!$&'()*+,;=:@/";
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_value(text[i + 2]) : -1;
    const char c = low >= 0 ? static_cast<char>(high * 16 + low) : text[i];
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    const auto place = kAsIs.find(c);
    // What is reserved is another path where it is encoded.
    if (letter || place < 4 || (low < 0 && place != std::string_view::npos)) out.push_back(c);
    else out.append({'%', kHex[static_cast<unsigned char>(c) >> 4], kHex[static_cast<unsigned char>(c) & 15]});
    if (low >= 0) i += 2;
  }
  return out;
}

}  // namespace

class OpenApiCompiler {
 public:
  OpenApiCompiler(OpenApi::Parts& parts, std::vector<std::string>& remarks, bool with_responses)
      : parts_(parts), document_(parts.document), remarks_(remarks), with_responses_(with_responses) {}

  Result<> run() {
    constexpr JsonLimits kLimits{.depth = 128, .nodes = 2'000'000};
    if (!parts_.document.parse(parts_.text, kLimits))
      return fail("no JSON: " + std::string(document_.error().what) + " at byte " +
                  std::to_string(document_.error().offset));
    const auto version = text(document_.root(), "openapi");
    if (!version.starts_with("3.0") && !version.starts_with("3.1")) return fail("expected openapi: 3.0.x or 3.1.x");
    parts_.schemas = std::make_unique<SchemaSet>(
        document_, version.starts_with("3.0") ? SchemaDialect::kOpenApi30 : SchemaDialect::kDraft2020);
    const auto paths = document_.member(document_.root(), "paths");
    if (paths == Json::kNone || document_.kind(paths) != JsonKind::kObject)
      return fail("at /paths: expected a mapping");
    for (auto id = document_.node(paths).first; id != Json::kNone; id = document_.node(id).next) FL_CHECK(path(id));
    // What is spelled out goes before what has values, and more literal text before less.
    std::ranges::stable_sort(parts_.paths, [](const ApiPath& a, const ApiPath& b) {
      const auto length = [](const ApiPath& one) {
        std::size_t out = 0;
        for (const auto& literal : one.literals) out += literal.size();
        return out;
      };
      if (a.names.empty() != b.names.empty()) return a.names.empty();
      return length(a) > length(b);
    });
    return {};
  }

 private:
  std::unexpected<Error> wrong(Json::Id at, const std::string& what) const {
    return fail("at " + pointer_to(document_, document_.root(), at) + ": expected " + what);
  }
  [[nodiscard]] std::string_view text(Json::Id at, std::string_view key) const {
    const auto id = document_.member(at, key);
    return id != Json::kNone && document_.kind(id) == JsonKind::kString ? document_.node(id).text : std::string_view{};
  }
  [[nodiscard]] bool flag(Json::Id at, std::string_view key, bool otherwise) const {
    const auto id = document_.member(at, key);
    return id == Json::kNone ? otherwise : document_.kind(id) == JsonKind::kTrue;
  }

  /// Where a $ref leads, up to some of them one after the other.
  Result<Json::Id> followed(Json::Id at) const {
    constexpr int kMostRefs = 16;
    for (int i = 0; i < kMostRefs; ++i) {
      const auto reference = text(at, "$ref");
      if (reference.empty()) return at;
      const auto path = reference.starts_with("#/") ? parse_json_path(reference.substr(1)) : std::nullopt;
      const auto target = path ? find(document_, document_.root(), *path) : Json::kNone;
      if (target == Json::kNone) return wrong(at, "a $ref within the document, found " + std::string(reference));
      at = target;
    }
    return wrong(at, "a $ref that leads to something");
  }

  Result<> path(Json::Id at) {
    const auto key = document_.node(at).key;
    if (key.starts_with("x-")) return {};
    ApiPath out;
    if (!key.starts_with('/') || !split(key, out))
      return wrong(at, "a path that begins with /, with each {name} closed");
    FL_TRY(const auto item, followed(at));
    constexpr std::string_view kMethods[] = {"get", "put", "post", "delete", "options", "head", "patch", "trace"};
    for (const auto method : kMethods) {
      const auto operation = document_.member(item, method);
      if (operation == Json::kNone) continue;
      auto& made = out.operations.emplace_back();
      for (const char c : method) made.method.push_back(static_cast<char>(c - ('a' - 'A')));
      FL_CHECK(parameters(document_.member(operation, "parameters"), out, made));
      FL_CHECK(parameters(document_.member(item, "parameters"), out, made));
      FL_CHECK(body(document_.member(operation, "requestBody"), made));
      if (with_responses_) FL_CHECK(responses(document_.member(operation, "responses"), made));
    }
    parts_.paths.push_back(std::move(out));
    return {};
  }

  static bool split(std::string_view key, ApiPath& out) {
    for (;;) {
      const auto open = key.find('{');
      out.literals.push_back(as_in_requests(key.substr(0, open)));
      if (open == std::string_view::npos) return true;
      const auto close = key.find('}', open);
      if (close == std::string_view::npos || close == open + 1) return false;
      out.names.emplace_back(key.substr(open + 1, close - open - 1));
      key.remove_prefix(close + 1);
      if (key.starts_with('{')) return false;  // nothing tells where one ends
    }
  }

  /// An operation's parameters go before those of its path.
  Result<> parameters(Json::Id list, const ApiPath& path, OpenApi::Operation& out) {
    if (list == Json::kNone) return {};
    for (auto id = document_.node(list).first; id != Json::kNone; id = document_.node(id).next) {
      FL_TRY(const auto at, followed(id));
      Parameter made;
      FL_CHECK(parameter(at, path, made));
      const bool known = std::ranges::any_of(
          out.parameters, [&](const Parameter& one) { return one.place == made.place && one.name == made.name; });
      if (!known && !made.name.empty()) out.parameters.push_back(std::move(made));
    }
    return {};
  }

  Result<> parameter(Json::Id at, const ApiPath& path, Parameter& out) {
    constexpr std::string_view kPlaces[] = {"path", "query", "header", "cookie"};
    const auto* place = std::ranges::find(kPlaces, text(at, "in"));
    if (place == std::end(kPlaces)) return wrong(at, "in: path, query, header or cookie");
    out.place = static_cast<ParameterPlace>(place - std::begin(kPlaces));
    out.name = out.place == ParameterPlace::kHeader ? lower_ascii(text(at, "name")) : std::string(text(at, "name"));
    if (out.name.empty()) return wrong(at, "a name");
    // These are not for parameters to describe (OpenAPI 3.1, 4.8.12).
    if (out.place == ParameterPlace::kHeader &&
        (out.name == "accept" || out.name == "content-type" || out.name == "authorization")) {
      out.name.clear();
      return {};
    }
    out.required = out.place == ParameterPlace::kPath || flag(at, "required", false);
    take_style(at, out);
    if (out.place == ParameterPlace::kPath) {
      const auto name = std::ranges::find(path.names, out.name);
      if (name == path.names.end()) return wrong(at, "a name that stands in the path");
      out.position = static_cast<std::size_t>(name - path.names.begin());
    }
    return described(at, out);
  }

  /// By its schema, or by its content, of which the first type counts.
  Result<> described(Json::Id at, Parameter& out) {
    auto schema = document_.member(at, "schema");
    if (const auto content = document_.member(at, "content"); content != Json::kNone) {
      out.json = true;
      const auto first = document_.node(content).first;
      schema = first == Json::kNone ? Json::kNone : document_.member(first, "schema");
    }
    if (schema == Json::kNone) return {};
    FL_TRY(out.schema, parts_.schemas->add(schema));
    out.types = parts_.schemas->types(out.schema);
    out.members = parts_.schemas->member_types(out.schema);
    return {};
  }

  void take_style(Json::Id at, Parameter& out) {
    const auto style = text(at, "style");
    const bool form = out.place == ParameterPlace::kQuery || out.place == ParameterPlace::kCookie;
    out.explode = flag(at, "explode", form && (style.empty() || style == "form"));
    out.deep = style == "deepObject" && out.place == ParameterPlace::kQuery;
    if (style == "spaceDelimited") out.between = ' ';
    if (style == "pipeDelimited") out.between = '|';
    if (out.place != ParameterPlace::kPath) return;
    if (style == "label") out.lead = '.';
    if (style == "matrix") out.lead = ';';
    if (out.lead != 0 && out.explode) out.between = out.lead;
  }

  Result<> body(Json::Id id, OpenApi::Operation& out) {
    if (id == Json::kNone) return {};
    FL_TRY(const auto at, followed(id));
    out.has_body = true;
    out.body_required = flag(at, "required", false);
    const auto content = document_.member(at, "content");
    if (content == Json::kNone) return wrong(at, "content");
    return media_types(content, true, out.bodies);
  }

  /// forms: application/x-www-form-urlencoded is read, too.
  Result<> media_types(Json::Id content, bool forms, std::vector<MediaType>& out) {
    for (auto type = document_.node(content).first; type != Json::kNone; type = document_.node(type).next) {
      auto& made = out.emplace_back();
      const auto key = document_.node(type).key;
      made.type = lower_ascii(key.substr(0, key.find(';')));
      const auto schema = document_.member(type, "schema");
      const bool json = made.type == "application/json" || made.type.ends_with("+json");
      if (schema == Json::kNone) continue;
      made.form = forms && made.type == "application/x-www-form-urlencoded" &&
                  document_.member(type, "encoding") == Json::kNone;
      if (!json && !made.form) {
        remarks_.push_back("bodies of type " + made.type + " are not held to a schema: only JSON is" +
                           (forms ? ", and forms without encoding" : ""));
        continue;
      }
      FL_TRY(made.schema, parts_.schemas->add(schema));
      if (made.form) made.members = parts_.schemas->member_types(made.schema);
    }
    return {};
  }

  Result<> responses(Json::Id list, OpenApi::Operation& out) {
    if (list == Json::kNone) return {};
    for (auto id = document_.node(list).first; id != Json::kNone; id = document_.node(id).next) {
      auto& made = out.responses.emplace_back();
      made.status = document_.node(id).key;
      FL_TRY(const auto at, followed(id));
      const auto content = document_.member(at, "content");
      if (content != Json::kNone) FL_CHECK(media_types(content, false, made.bodies));
      FL_CHECK(headers(document_.member(at, "headers"), made.headers));
    }
    return {};
  }

  Result<> headers(Json::Id list, std::vector<Parameter>& out) {
    if (list == Json::kNone) return {};
    for (auto id = document_.node(list).first; id != Json::kNone; id = document_.node(id).next) {
      FL_TRY(const auto at, followed(id));
      Parameter made{.place = ParameterPlace::kHeader, .name = lower_ascii(document_.node(id).key)};
      // Not for headers to describe (OpenAPI 3.1, 4.8.17); framing, which is not among the fields; no list, though in
      // lines.
      if (made.name == "content-type" || made.name == "content-length" || made.name == "set-cookie") continue;
      made.required = flag(at, "required", false);
      made.explode = flag(at, "explode", false);
      FL_CHECK(described(at, made));
      out.push_back(std::move(made));
    }
    return {};
  }

  OpenApi::Parts& parts_;
  const Json& document_;
  std::vector<std::string>& remarks_;
  bool with_responses_;
};

OpenApi::OpenApi() : parts_(std::make_unique<Parts>()) {}
OpenApi::~OpenApi() = default;

Result<std::shared_ptr<const OpenApi>> OpenApi::compile(std::string text, std::vector<std::string>& remarks,
                                                        bool responses) {
  std::shared_ptr<OpenApi> out(new OpenApi);
  out->parts_->text = std::move(text);
  FL_CHECK(OpenApiCompiler(*out->parts_, remarks, responses).run());
  return out;
}

}  // namespace fairlead::change
