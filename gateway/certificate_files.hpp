// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/stat.h>

#include <array>
#include <memory>
#include <string>

#include "fairlead/base/result.hpp"
#include "fairlead/tls/server_context.hpp"
#include "fairlead/tls/ticket_keys.hpp"

namespace fairlead::gateway {

/// The TLS of --cert, --key and --ocsp, made anew where these files are others than before. What cannot be used leaves
/// the last good one in force. Owner: Gateway. Thread: main.
class CertificateFiles {
 public:
  using Context = std::shared_ptr<const tls::ServerContext>;

  /// `ocsp`: empty for none.
  static Result<std::unique_ptr<CertificateFiles>> open(std::string certificate, std::string key, std::string ocsp,
                                                        std::shared_ptr<tls::TicketKeys> tickets);

  [[nodiscard]] const Context& context() const { return context_; }
  /// Reads all of them again; from then on context() is another.
  Result<> load();
  /// For a timer: reads them where they have changed since they were read, and stayed so since the last look, as a key
  /// is written behind its certificate. True: context() is another.
  Result<bool> look();

 private:
  /// Of each file, whatever links lead to it: device, inode, size, time of the last change in ns.
  using State = std::array<std::array<std::uint64_t, 4>, 3>;
  CertificateFiles(std::string certificate, std::string key, std::string ocsp, std::shared_ptr<tls::TicketKeys> tickets)
      : certificate_(std::move(certificate)),
        key_(std::move(key)),
        ocsp_(std::move(ocsp)),
        tickets_(std::move(tickets)) {}
  [[nodiscard]] State state() const;

  std::string certificate_, key_, ocsp_;
  std::shared_ptr<tls::TicketKeys> tickets_;
  Context context_;
  State read_{};  // when they were read last, well or not
  State seen_{};  // at the last look
};

}  // namespace fairlead::gateway
