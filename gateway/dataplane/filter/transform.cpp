// SPDX-License-Identifier: Apache-2.0
// Section transform: what is sent on, and what is sent back.
#include <algorithm>

#include "fairlead/base/ascii.hpp"
#include "fairlead/filter/make.hpp"
#include "fairlead/filter/probe.hpp"
#include "fairlead/filter/request.hpp"
#include "fairlead/model/request_change.hpp"
#include "gateway/dataplane/filter/body_fields.hpp"
#include "gateway/dataplane/filter/changes.hpp"
#include "gateway/dataplane/filter/coding.hpp"
#include "gateway/dataplane/filter/problem.hpp"
#include "gateway/dataplane/filter/request_scope.hpp"

namespace fairlead::filter {
namespace {

using change::Place;
using change::Source;
using telemetry::ResponseFlag;

constexpr std::size_t kMostPath = 8192;

void set_field(http::Fields& fields, std::string_view name, std::string_view value) {
  remove_fields(fields, {name});
  fields.push_back({name, value});
}

/// What was said of the bytes that were.
void remove_digests(http::Fields& fields) {
  remove_fields(fields, {"content-md5", "digest", "content-digest", "repr-digest", "accept-ranges", "signature",
                         "signature-input"});
}

struct Parts {
  explicit Parts(const model::Transform& settings);

  std::string method;
  bool has_path = false, has_backend_path = false;
  change::Template path;
  change::Template backend_path;
  FieldChanges request_headers, query, body_fields, response_headers;
  BodyChanges request_body, response_body;
  std::vector<std::pair<std::uint16_t, std::uint16_t>> status;
  bool fail = false;
  bool pass = false;  // of requests whose body cannot be read
  bool makes_body = false;  // where there is none
  bool reads_body = false;  // of requests
  bool sets_type = false;  // of requests: a body's fields are read by the type that it gets
  bool reads_response_head = false;  // for the response's body
  std::size_t most = 0;
};

Parts::Parts(const model::Transform& settings)
    : method(settings.request.method),
      has_path(!settings.request.path.empty()),
      has_backend_path(!settings.request.backend_path.empty()),
      path(compiled(settings.request.path, Place::kPath)),
      backend_path(compiled(settings.request.backend_path, Place::kWholePath)),
      request_headers(settings.request.headers, Place::kHeader),
      query(settings.request.query, Place::kQuery),
      body_fields(settings.request.body_fields, Place::kText),
      response_headers(settings.response.headers, Place::kHeader),
      request_body(settings.request.body, settings.max_body_bytes),
      response_body(settings.response.body, settings.max_body_bytes),
      status(settings.response.status),
      fail(settings.response.fail),
      pass(settings.request.pass),
      most(settings.max_body_bytes) {
  makes_body = std::ranges::any_of(settings.request.body_fields, [](const model::FieldChange& one) {
    return one.kind == model::ChangeKind::kSet || one.kind == model::ChangeKind::kAdd ||
           one.kind == model::ChangeKind::kAppend;
  });
  sets_type = std::ranges::any_of(settings.request.headers, [](const model::FieldChange& one) {
    return lower_ascii(one.name) == "content-type" ||
           (one.kind == model::ChangeKind::kRename && lower_ascii(one.value) == "content-type");
  });
  reads_body = !request_body.empty() || path.uses(Source::kBody) || request_headers.uses(Source::kBody) ||
               query.uses(Source::kBody);
  reads_response_head = response_body.uses(Source::kStatus) || response_body.uses(Source::kResponseHeader);
}

/// Holds a response's body until it is whole. The head has gone by then, so that its coding stays what it was.
class ResponseBody final : public BodyFilter {
 public:
  ResponseBody(Request& request, const Parts& parts, http::ResponseHead head, Coding coding)
      : request_(request), parts_(parts), head_(std::move(head)), coding_(coding) {}

  std::optional<std::string_view> on_data(std::string_view data, bool end) override {
    if (passing_) {
      buffer_.clear();
      buffer_.shrink_to_fit();
      return data;
    }
    if (buffer_.size() + data.size() > parts_.most) return give_up(data);
    buffer_.append(data);
    if (!end) return std::string_view{};
    if (buffer_.empty()) return std::string_view{};
    if (!change()) return give_up({});
    return buffer_;
  }

 private:
  std::optional<std::string_view> give_up(std::string_view data) {
    if (parts_.fail) return std::nullopt;
    passing_ = true;
    buffer_.append(data);
    return buffer_;
  }

  bool change() {
    std::string plain, out;
    std::string_view text = buffer_;
    if (coding_ != Coding::kIdentity) {
      if (expand(coding_, buffer_, {.bytes = parts_.most}, plain) != change::Expanded::kWhole) return false;
      text = plain;
    }
    change::Json document;
    if (!document.parse(text)) return false;
    PlainScope scope(request_);
    scope.set_response(&head_);
    scope.set_response_body(&document);
    if (!parts_.response_body.apply(scope, document, out)) return false;
    if (coding_ == Coding::kIdentity) {
      buffer_ = std::move(out);
      return true;
    }
    std::string packed;
    if (!pack(coding_, out, packed)) return false;
    buffer_ = std::move(packed);
    return true;
  }

  Request& request_;
  const Parts& parts_;  // of the filter, which the request's chain holds
  http::ResponseHead head_;
  Coding coding_;
  std::string buffer_;
  bool passing_ = false;
};

class TransformFilter final : public Filter {
 public:
  explicit TransformFilter(const model::Transform& settings) : parts_(settings) {}

  Preview preview(Probe& probe) const override { return probe.ask(*this); }

  Verdict on_request(Request& request) const override {
    auto& head = request.head();
    if (!parts_.response_body.empty()) limit_codings(head.fields, request.arena());
    const bool body = head.body == http::Body::kStream || (head.body == http::Body::kLength && head.content_length > 0);
    if (parts_.reads_body && body && is_json_type(head.fields)) return Verdict::kNeedBody;
    if (!parts_.body_fields.empty() && (body || (parts_.makes_body && head.body != http::Body::kTunnel)) &&
        BodyFields::reads(parts_.sets_type ? typed_fields(request) : head.fields))
      return Verdict::kNeedBody;
    return change(request, nullptr);
  }

  [[nodiscard]] std::size_t most_body() const override { return parts_.most; }

  Verdict on_request_body(Request& request, std::string& body) const override {
    if (!parts_.body_fields.empty()) return change_fields(request, body);
    if (body.empty()) return change(request, nullptr);
    std::string plain;
    if (!decode_request_body(request, body, {.bytes = parts_.most}, plain)) return Verdict::kAnswered;
    const std::string_view text = plain.empty() ? std::string_view(body) : std::string_view(plain);
    change::Json document;
    if (!document.parse(text)) {
      if (parts_.pass) return change(request, nullptr);
      answer_problem(request, 400, "Bad Request",
                     "the body is no JSON: " + std::string(document.error().what) + " at byte " +
                         std::to_string(document.error().offset),
                     ResponseFlag::kDownstreamProtocolError);
      return Verdict::kAnswered;
    }
    if (parts_.request_body.empty()) return change(request, &document);
    PlainScope scope(request);
    scope.set_body(&document);
    change::Json copy;
    copy.set_root(copy.copy(document, document.root()));
    std::string out;
    if (!parts_.request_body.apply(scope, copy, out)) {
      answer_problem(request, 413, "Content Too Large", "the body is too large once it is changed",
                     ResponseFlag::kTooLarge);
      return Verdict::kAnswered;
    }
    const auto verdict = change(request, &document);
    if (verdict != Verdict::kContinue) return verdict;
    auto& fields = request.head().fields;
    remove_digests(fields);
    remove_fields(fields, {"content-encoding"});
    if (parts_.request_body.replaces()) set_field(fields, "content-type", parts_.request_body.content_type());
    body = std::move(out);
    return verdict;
  }

  Verdict on_response(Request& request, http::ResponseHead& head) const override {
    const auto verdict = change_body(request, head);
    if (verdict != Verdict::kContinue) return verdict;
    PlainScope scope(request);
    scope.set_response(&head);
    const auto values = parts_.response_headers.render(scope);
    const auto* mapped =
        std::ranges::find(parts_.status, head.status, &std::pair<std::uint16_t, std::uint16_t>::first).base();
    if (mapped != parts_.status.data() + parts_.status.size()) {
      head.status = mapped->second;
      head.reason = {};
    }
    parts_.response_headers.apply(values, head.fields, request.arena());
    return verdict;
  }

 private:
  /// A body of any kind that has fields. One with a coding passes as it is, as do those that cannot be read.
  Verdict change_fields(Request& request, std::string& body) const {
    auto& head = request.head();
    http::Fields changed;
    if (parts_.sets_type) changed = typed_fields(request);
    const auto& type = parts_.sets_type ? changed : head.fields;
    BodyFields fields(type, body);
    const bool good = fields.good() && http::find(head.fields, "content-encoding") == nullptr;
    if (!good && !parts_.pass) {
      answer_problem(request, 400, "Bad Request", "the body is not what its content type says",
                     ResponseFlag::kDownstreamProtocolError);
      return Verdict::kAnswered;
    }
    if (!good) return change(request, nullptr);
    change::Json document;
    const bool json = BodyFields::kind_of(type) == BodyFields::Kind::kJson && document.parse(body);
    PlainScope scope(request);
    scope.set_body(json ? &document : nullptr);
    const auto values = parts_.body_fields.render(scope);
    const auto verdict = change(request, json ? &document : nullptr);
    if (verdict != Verdict::kContinue || !parts_.body_fields.apply(values, fields)) return verdict;
    auto text = fields.text();
    remove_digests(request.head().fields);
    body = std::move(text);
    return verdict;
  }

  /// The request's fields, with the content type that it is sent on with.
  http::Fields typed_fields(Request& request) const {
    auto fields = request.head().fields;
    PlainScope scope(request);
    parts_.request_headers.apply(parts_.request_headers.render(scope), fields, request.arena());
    return fields;
  }

  /// Head of the request; all values are those that came.
  Verdict change(Request& request, const change::Json* body) const {
    PlainScope scope(request);
    scope.set_body(body);
    std::string path;
    if (parts_.has_path && parts_.path.render(scope, kMostPath, path) != change::RenderError::kNone) {
      answer_problem(request, 400, "Bad Request", "a value that the path is made of is missing, or no part of a path",
                     ResponseFlag::kDownstreamProtocolError);
      return Verdict::kAnswered;
    }
    std::string whole;
    if (parts_.has_backend_path && parts_.backend_path.render(scope, kMostPath, whole) != change::RenderError::kNone) {
      answer_problem(request, 400, "Bad Request", "a value that the path is made of is no part of a path",
                     ResponseFlag::kDownstreamProtocolError);
      return Verdict::kAnswered;
    }
    const auto headers = parts_.request_headers.render(scope), query = parts_.query.render(scope);
    auto& head = request.head();
    if (parts_.has_path) request.target().path = request.arena().copy(path);
    if (parts_.has_backend_path) {
      request.target().path = request.arena().copy(whole);
      request.target().whole = true;
    }
    parts_.query.apply(query, request.target(), request.arena());
    parts_.request_headers.apply(headers, head.fields, request.arena());
    if (!parts_.method.empty() && head.body != http::Body::kTunnel) {
      head.method_text = request.arena().copy(parts_.method);
      head.method = http::method_of(head.method_text);
    }
    return Verdict::kContinue;
  }

  Verdict refuse(Request& request, std::string_view why) const {
    answer_problem(request, 502, "Bad Gateway", why, ResponseFlag::kUpstreamProtocolError);
    return Verdict::kAnswered;
  }

  Verdict change_body(Request& request, http::ResponseHead& head) const {
    const bool head_only = head.body == http::Body::kNone;
    if (parts_.response_body.empty() || head.body == http::Body::kTunnel || head.status == 206 || head.status == 304)
      return Verdict::kContinue;
    if (!is_json_type(head.fields)) return Verdict::kContinue;
    const auto coding = coding_of(head.fields);
    // What passes unchanged after all has the coding that the head says: so it has to be one that is written, too.
    if (coding == Coding::kOther || coding == Coding::kDeflate)
      return parts_.fail ? refuse(request, "the backend's coding cannot be read") : Verdict::kContinue;
    if (head.body == http::Body::kLength && head.content_length > parts_.most)
      return parts_.fail ? refuse(request, "the backend's answer is too large to be changed") : Verdict::kContinue;
    if (head_only) {
      head.has_length = false;  // the length that a GET would see is not known
    } else {
      auto copy = parts_.reads_response_head ? head : http::ResponseHead{};
      if (parts_.reads_response_head) http::keep(copy, request.arena());
      request.pass_body(std::make_unique<ResponseBody>(request, parts_, std::move(copy), coding));
      head.body = http::Body::kStream;
      head.content_length = 0;
    }
    remove_digests(head.fields);
    for (auto& field : head.fields)
      if (field.name == "etag" && field.value.starts_with('"'))
        field.value =
            request.arena().copy("W/" + std::string(field.value));  // not byte for byte what the backend means
    if (parts_.response_body.replaces()) set_field(head.fields, "content-type", parts_.response_body.content_type());
    return Verdict::kContinue;
  }

  Parts parts_;
};

}  // namespace

FilterPtr make_transform(const model::Transform& settings, Context&) {
  return std::make_shared<const TransformFilter>(settings);
}

}  // namespace fairlead::filter
