// SPDX-License-Identifier: Apache-2.0
#include "gateway/certificate_files.hpp"

#include <spdlog/spdlog.h>

#include <ctime>

#include "fairlead/tls/ktls.hpp"

namespace fairlead::gateway {
namespace {

std::array<std::uint64_t, 4> state_of(const std::string& path) {
  struct stat found{};
  if (::stat(path.c_str(), &found) != 0) return {};
  constexpr std::uint64_t kNs = 1'000'000'000;
  return {found.st_dev, found.st_ino, static_cast<std::uint64_t>(found.st_size),
          static_cast<std::uint64_t>(found.st_mtim.tv_sec) * kNs + static_cast<std::uint64_t>(found.st_mtim.tv_nsec)};
}

}  // namespace

Result<std::unique_ptr<CertificateFiles>> CertificateFiles::open(std::string certificate, std::string key,
                                                                 std::string ocsp,
                                                                 std::shared_ptr<tls::TicketKeys> tickets) {
  std::unique_ptr<CertificateFiles> self(
      new CertificateFiles(std::move(certificate), std::move(key), std::move(ocsp), std::move(tickets)));
  FL_CHECK(self->load());
  return self;
}

CertificateFiles::State CertificateFiles::state() const {
  return {state_of(certificate_), state_of(key_), state_of(ocsp_)};
}

Result<> CertificateFiles::load() {
  read_ = seen_ = state();
  FL_TRY(auto certificate, tls::Certificate::load_files(certificate_, key_, ocsp_));
  for (const auto& problem : {certificate->chain_problem(), certificate->ocsp_problem(std::time(nullptr))})
    if (!problem.empty()) spdlog::warn("{}", problem);
  auto policy = std::make_shared<tls::ServerPolicy>();
  policy->alpn = {"h2", "http/1.1"};
  tls::ServerConfig config;
  config.servers.push_back({.names = {}, .certificates = {std::move(certificate)}, .policy = std::move(policy)});
  config.tickets = tickets_;
  config.ktls = tls::ktls().available;
  FL_TRY(context_, tls::ServerContext::create(std::move(config)));
  return {};
}

Result<bool> CertificateFiles::look() {
  const auto now = state();
  const bool settled = now == std::exchange(seen_, now);
  if (now == read_ || !settled) return false;
  FL_CHECK(load());
  return true;
}

}  // namespace fairlead::gateway
