// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "fairlead/base/result.hpp"

namespace fairlead::gateway {

/// What `--listen` names: ":8080", "127.0.0.1:8080", "[::1]:8080".
struct ListenArgument {
  std::string address = "::";  ///< an IP address; "::" takes IPv4 too
  std::uint16_t port = 0;      ///< 0: the kernel's choice

  static Result<ListenArgument> parse(const std::string& text);
};

/// What `--to` names: "http://127.0.0.1:3000", "https://api.example.com", "h2c://10.0.0.1:50051".
struct TargetArgument {
  bool tls = false;
  bool http2 = false;    ///< HTTP/2 with prior knowledge (h2c); with tls ALPN decides
  bool is_name = false;  ///< host is to be resolved
  std::string host;      ///< without brackets
  std::uint16_t port = 0;

  static Result<TargetArgument> parse(const std::string& text);
};

/// The command line.
struct Arguments {
  std::string config;                   ///< of Gateway API objects, or Kong's file; empty: listen and to
  std::vector<std::string> listen;
  std::vector<std::string> to;
  std::string certificate;              ///< PEM files
  std::string key;
  std::string ocsp;                     ///< an OCSP response for the certificate (DER); empty: none
  std::string zone;                     ///< topology.kubernetes.io/zone of this machine; empty: not known
  std::string dns;                      ///< servers, "10.0.0.10,[fd00::10]:5353"; empty: those of /etc/resolv.conf
  std::string session_key;              ///< file with secrets of session persistence; empty: new ones at each start
  std::string state_dir;                ///< empty: systemd's STATE_DIRECTORY, or nothing is kept
  unsigned workers = 0;                 ///< 0: as many as there are CPUs to run on
  std::string socket = "/run/fairlead/gateway.sock";  ///< empty: none
  std::string admin = "127.0.0.1:9465";               ///< empty: none
  bool allow_partial = false;           ///< Kong's file: leave out what cannot be served as Kong does
  bool loose_targets = false;           ///< of listen: targets as browsers send them
  bool upgrade = false;                 ///< take over from the gateway at `socket`, where there is one
  unsigned drain_seconds = 30;
  unsigned drain_delay_seconds = 0;
  std::string kernel_tls = "auto";  ///< or "off"
  std::uint64_t memory_limit = 0;       ///< bytes of buffers of all workers; 0: by the machine
  std::uint64_t queue_limit_ms = 1000;  ///< what requests may wait for their turn; 0: however long
  std::string log_level = "info";
  std::string access_log = "off";       ///< FORMAT[:TARGET]
  std::string access_log_template;
  double access_log_sample = 100;       ///< percent
  std::string otlp_endpoint;            ///< empty: by the environment
  std::string trace_headers;            ///< the same
  double trace_sample = -1;             ///< percent; less than 0: the same
  std::map<std::string, std::string, std::less<>> otel_variables;  ///< what counts where the environment has none
};

}  // namespace fairlead::gateway
