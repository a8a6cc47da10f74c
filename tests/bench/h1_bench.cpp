// SPDX-License-Identifier: Apache-2.0
// Nanoseconds to parse and to write a head, with vectors, with their scalar twin, and by a plain parser that splits
// lines and keeps them in strings, as one writes it first.
#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "bench/cpu_time.hpp"
#include "bench/figures.hpp"
#include "fairlead/http/h1_parser.hpp"
#include "fairlead/http/h1_writer.hpp"

namespace fairlead::bench {
namespace {

constexpr std::string_view kCurl =
    "GET /api/v1/items?page=2&size=50 HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: curl/7.88.1\r\nAccept: "
    "*/*\r\n\r\n";

constexpr std::string_view kMiddle =
    "GET /api/v1/items/4711/reviews?page=2&size=50 HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: "
    "Go-http-client/1.1\r\n"
    "Accept: application/json\r\nAccept-Encoding: gzip\r\nX-Request-Id: 7f0c1a52-1c9e-4b37-9a55-0d2f2b7f8a11\r\n"
    "Cache-Control: no-cache\r\n\r\n";

constexpr std::string_view kBrowser =
    "GET /catalog/shoes/running?sort=price&color=blue HTTP/1.1\r\nHost: www.example.com\r\nConnection: keep-alive\r\n"
    "sec-ch-ua: \"Chromium\";v=\"124\", \"Not-A.Brand\";v=\"99\"\r\nsec-ch-ua-mobile: ?0\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 "
    "Safari/537.36\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
    "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n"
    "Referer: https://www.example.com/catalog\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: "
    "en-US,en;q=0.9\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=1\r\n\r\n";

constexpr std::string_view kAnswer =
    "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Tue, 14 May 2024 08:00:00 GMT\r\nContent-Type: application/json\r\n"
    "Content-Length: 100\r\nConnection: keep-alive\r\nETag: \"5f3c-17\"\r\nCache-Control: max-age=60\r\n\r\n";

constexpr int kRounds = 101;
constexpr int kTimes = 2'000;

/// The quickest round, as ns for one call of work: what disturbs only ever adds.
template <class Work>
double measure(Work work) {
  std::vector<double> rounds;
  for (int round = 0; round < kRounds; ++round) {
    const double begin = cpu_ns();
    for (int i = 0; i < kTimes; ++i) work();
    rounds.push_back((cpu_ns() - begin) / kTimes);
  }
  return std::ranges::min(rounds);
}

/// A parser as one writes it first; it checks nothing.
std::size_t naive(std::string_view bytes, std::map<std::string, std::string>& fields) {
  fields.clear();
  std::size_t at = bytes.find("\r\n");
  const std::string line(bytes.substr(0, at));
  std::size_t sum = line.size();
  for (at += 2;;) {
    const auto end = bytes.find("\r\n", at);
    if (end == at) break;
    const auto colon = bytes.find(':', at);
    std::string name(bytes.substr(at, colon - at));
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const auto value = bytes.find_first_not_of(' ', colon + 1);
    fields.emplace(std::move(name), bytes.substr(value, end - value));
    at = end + 2;
  }
  return sum + fields.size();
}

/// Each parse gets the bytes as they came: a copy of some hundred bytes is part of what is measured.
class Buffer {
 public:
  explicit Buffer(std::string_view text) : text_(text), bytes_(text.size() + http::kH1Slack) {}
  std::span<char> fresh() {
    std::memcpy(bytes_.data(), text_.data(), text_.size());
    return {bytes_.data(), text_.size()};
  }

 private:
  std::string_view text_;
  std::vector<char> bytes_;
};

std::size_t sink = 0;

void parse_figures(Figures& figures, const std::string& name, std::string_view text) {
  const http::H1Limits limits;
  Buffer buffer(text);
  http::H1Request request;
  std::map<std::string, std::string> fields;
  const auto parse = [&] {
    sink += static_cast<std::size_t>(request.parse(buffer.fresh(), limits)) + request.facts.used;
  };
  const double vectors = measure(parse);
  http::use_scalar_h1_scan(true);
  const double scalar = measure(parse);
  http::use_scalar_h1_scan(false);
  const double plain = measure([&] { sink += naive(text, fields); });
  figures.add(name + ": parse", vectors, "ns");
  figures.add(name + ": parse, scalar twin", scalar, "ns");
  figures.add(name + ": parse, plain parser", plain, "ns");
  std::vector<char> out(8192);
  const http::H1Line line;
  const double write =
      measure([&] { sink += static_cast<std::size_t>(http::write_h1(out.data(), request.head, line) - out.data()); });
  figures.add(name + ": write", write, "ns");
}

void response_figures(Figures& figures) {
  const http::H1Limits limits;
  Buffer buffer(kAnswer);
  http::H1Response response;
  const double parse = measure(
      [&] { sink += static_cast<std::size_t>(response.parse(buffer.fresh(), limits, {})) + response.facts.used; });
  std::vector<char> out(8192);
  const http::H1Line line{
      .framing = http::H1Framing::kLength, .upgrade = {}, .websocket_key = {}, .websocket_accept = {}};
  const double write =
      measure([&] { sink += static_cast<std::size_t>(http::write_h1(out.data(), response.head, line) - out.data()); });
  figures.add("response, 7 fields: parse", parse, "ns");
  figures.add("response, 7 fields: write", write, "ns");
}

}  // namespace
}  // namespace fairlead::bench

int main(int argc, char** argv) {
  using namespace fairlead::bench;
  Figures figures(argc > 1 && std::string_view(argv[1]) == "--json");
  parse_figures(figures, "request, 3 fields (curl)", kCurl);
  parse_figures(figures, "request, 6 fields (250 bytes)", kMiddle);
  parse_figures(figures, "request, 13 fields (browser)", kBrowser);
  response_figures(figures);
  return sink == 0 ? 1 : 0;
}
