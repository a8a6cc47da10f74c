// SPDX-License-Identifier: Apache-2.0
#include "fairlead/http/h1_refusal.hpp"

#include <array>

namespace fairlead::http {

namespace {

struct Row {
  std::uint16_t status;
  std::string_view text;
  std::string_view label;
};

// In the order of H1Refusal.
constexpr std::array<Row, kH1Refusals> kRows = {{
    {200, "", "none"},
    {400, "invalid method", "method"},
    {400, "invalid request line", "request_line"},
    {400, "invalid request target", "target"},
    {414, "request target too long", "target_too_long"},
    {400, "invalid HTTP version", "version"},
    {505, "HTTP version not supported", "version_unsupported"},
    {400, "invalid status line", "status_line"},
    {400, "control character or bare line end", "line_end"},
    {400, "invalid field name", "field_name"},
    {400, "folded field line", "folded"},
    {431, "field section too large", "fields_too_large"},
    {431, "too many fields", "too_many_fields"},
    {400, "Host missing", "host_missing"},
    {400, "Host more than once", "host_repeated"},
    {400, "invalid Host", "host_invalid"},
    {400, "invalid Content-Length", "content_length"},
    {400, "Content-Length more than once", "content_length_repeated"},
    {400, "Transfer-Encoding without chunked as its last and only once", "transfer_encoding"},
    {501, "transfer coding not implemented", "transfer_coding_unknown"},
    {400, "Content-Length beside Transfer-Encoding", "ambiguous_length"},
    {400, "invalid Connection", "connection"},
    {417, "expectation not known", "expectation"},
    {501, "CONNECT not allowed", "connect_not_allowed"},
    {400, "invalid WebSocket handshake", "upgrade"},
    {426, "WebSocket version not supported", "upgrade_version"},
    {400, "invalid chunk size", "chunk_size"},
    {400, "invalid chunk extension", "chunk_extension"},
    {400, "chunk line too long", "chunk_too_long"},
    {400, "chunk data without CRLF at its end", "chunk_end"},
    {400, "field not allowed in trailers", "trailer_forbidden"},
    {502, "protocol switched without being asked", "not_accepted"},
    {502, "too many informational responses", "too_many_informational"},
    {408, "request head not complete in time", "head_timeout"},
    {408, "request body not complete in time", "body_timeout"},
}};

}  // namespace

std::uint16_t refusal_status(H1Refusal refusal) { return kRows[static_cast<std::size_t>(refusal)].status; }
std::string_view refusal_label(H1Refusal refusal) { return kRows[static_cast<std::size_t>(refusal)].label; }
std::string_view refusal_text(H1Refusal refusal) { return kRows[static_cast<std::size_t>(refusal)].text; }

}  // namespace fairlead::http
