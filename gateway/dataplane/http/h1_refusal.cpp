// SPDX-License-Identifier: Apache-2.0
#include "fairlead/http/h1_refusal.hpp"

#include <array>

namespace fairlead::http {

namespace {

struct Row {
  std::uint16_t status;
  std::string_view text;
};

// In the order of H1Refusal.
constexpr std::array<Row, kH1Refusals> kRows = {{
    {200, ""},
    {400, "invalid method"},
    {400, "invalid request line"},
    {400, "invalid request target"},
    {414, "request target too long"},
    {400, "invalid HTTP version"},
    {505, "HTTP version not supported"},
    {400, "invalid status line"},
    {400, "control character or bare line end"},
    {400, "invalid field name"},
    {400, "folded field line"},
    {431, "field section too large"},
    {431, "too many fields"},
    {400, "Host missing"},
    {400, "Host more than once"},
    {400, "invalid Host"},
    {400, "invalid Content-Length"},
    {400, "Content-Length more than once"},
    {400, "Transfer-Encoding without chunked as its last and only once"},
    {501, "transfer coding not implemented"},
    {400, "Content-Length beside Transfer-Encoding"},
    {400, "invalid Connection"},
    {417, "expectation not known"},
    {501, "CONNECT not allowed"},
    {400, "invalid WebSocket handshake"},
    {426, "WebSocket version not supported"},
    {400, "invalid chunk size"},
    {400, "invalid chunk extension"},
    {400, "chunk line too long"},
    {400, "chunk data without CRLF at its end"},
    {400, "field not allowed in trailers"},
    {502, "protocol switched without being asked"},
    {502, "too many informational responses"},
    {408, "request head not complete in time"},
    {408, "request body not complete in time"},
}};

}  // namespace

std::uint16_t refusal_status(H1Refusal refusal) { return kRows[static_cast<std::size_t>(refusal)].status; }
std::string_view refusal_text(H1Refusal refusal) { return kRows[static_cast<std::size_t>(refusal)].text; }

}  // namespace fairlead::http
