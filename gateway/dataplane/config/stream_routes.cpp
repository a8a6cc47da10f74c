// SPDX-License-Identifier: Apache-2.0
// TLSRoute, TCPRoute and UDPRoute: one rule that names backends.
#include "gateway/dataplane/config/gateway_kinds.hpp"
#include "gateway/dataplane/config/gateway_references.hpp"

namespace fairlead::config {
namespace {

void read_rules(Reader& reader, View at, std::vector<model::StreamRule>& out) {
  read_list(reader, at, 1, 1, out, [&](View item, model::StreamRule& one) {
    read_mapping(
        reader, item, field("name", [&](View v) { read_section_name(reader, v, one.name); }),
        required("backendRefs", "at least one backend", [&](View v) { read_backends(reader, v, one.backends); }));
  });
}

template <class Route, class... F>
Route read_stream_route(Reader& reader, View root, Route& out, const Field<F>&... more) {
  out.metadata = read_metadata(reader, root, true);
  read_spec(reader, root, [&](View spec) {
    read_mapping(reader, spec, field("parentRefs", [&](View v) { read_parents(reader, v, out.parents); }),
                 field("useDefaultGateways", [&](View v) { read_default_scope(reader, v, out.use_default_gateways); }),
                 required("rules", "one rule", [&](View v) { read_rules(reader, v, out.rules); }), more...);
  });
  return std::move(out);
}

}  // namespace

model::TlsRoute read_tls_route(Reader& reader, View root) {
  model::TlsRoute out;
  return read_stream_route(reader, root, out, required("hostnames", "at least one server name", [&](View v) {
                             read_hostnames(reader, v, 1, 1024, out.hostnames);
                             if (!v.is_sequence()) return;
                             for (auto item = v.first(); item; item = item.next())
                               if (item.is_string() && Address::parse(item.text()))
                                 reader.error(item, "a host name, not an address");
                           }));
}

model::TcpRoute read_tcp_route(Reader& reader, View root) {
  model::TcpRoute out;
  return read_stream_route(reader, root, out);
}

model::UdpRoute read_udp_route(Reader& reader, View root) {
  model::UdpRoute out;
  return read_stream_route(reader, root, out);
}

}  // namespace fairlead::config
