// SPDX-License-Identifier: Apache-2.0
// The store of the cache: hit ratios beside LRU on two synthetic traces, and what a look-up costs.
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <list>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "bench/figures.hpp"
#include "fairlead/cache/store.hpp"

namespace {

using namespace fairlead::cache;

constexpr std::size_t kObjects = 100'000;
constexpr std::size_t kRequests = 2'000'000;

/// Numbers of objects, by Zipf's law.
class Zipf {
 public:
  explicit Zipf(double skew) {
    double sum = 0;
    for (std::size_t i = 1; i <= kObjects; ++i) sums_.push_back(sum += std::pow(static_cast<double>(i), -skew));
  }
  std::uint32_t next(std::mt19937_64& random) {
    const auto at = std::uniform_real_distribution<>(0, sums_.back())(random);
    return static_cast<std::uint32_t>(std::ranges::lower_bound(sums_, at) - sums_.begin());
  }

 private:
  std::vector<double> sums_;
};

/// Popular objects only.
std::vector<std::uint32_t> popular() {
  std::mt19937_64 random(1);
  Zipf zipf(0.9);
  std::vector<std::uint32_t> out(kRequests);
  for (auto& one : out) one = zipf.next(random);
  return out;
}

/// The same, while a crawler takes a share of a third: each object once.
std::vector<std::uint32_t> crawled() {
  std::mt19937_64 random(2);
  Zipf zipf(0.9);
  std::uint32_t next = kObjects;
  std::vector<std::uint32_t> out(kRequests);
  for (auto& one : out) one = random() % 3 == 0 ? next++ : zipf.next(random);
  return out;
}

EntryPtr make_entry(std::size_t bytes) {
  auto out = std::make_shared<Entry>();
  out->assign({{"content-type", "text/html"}, {"date", "Sun, 06 Nov 1994 08:49:37 GMT"}}, {}, 0);
  out->body = std::make_shared<const std::string>(bytes, 'x');
  return out;
}

/// Of the store; every entry shares one body, as only its length counts.
double store_ratio(const std::vector<std::uint32_t>& trace, std::size_t objects, const EntryPtr& entry,
                   std::size_t cost) {
  Store store(objects * cost, cost / 4);
  std::size_t hits = 0;
  for (const auto number : trace) {
    const auto text = "http://a.example/" + std::to_string(number) + "\nrule";
    Key key{.text = text, .url_size = text.size() - 5};
    store.hash(key);
    if (store.find(key) != nullptr) ++hits;
    else store.insert(key, entry, store.epoch(key));
  }
  return static_cast<double>(hits) / static_cast<double>(trace.size());
}

double lru_ratio(const std::vector<std::uint32_t>& trace, std::size_t objects) {
  std::list<std::uint32_t> order;
  std::unordered_map<std::uint32_t, std::list<std::uint32_t>::iterator> places;
  std::size_t hits = 0;
  for (const auto number : trace) {
    const auto found = places.find(number);
    if (found != places.end()) {
      ++hits;
      order.splice(order.begin(), order, found->second);
      continue;
    }
    order.push_front(number);
    places[number] = order.begin();
    if (order.size() <= objects) continue;
    places.erase(order.back());
    order.pop_back();
  }
  return static_cast<double>(hits) / static_cast<double>(trace.size());
}

void ratios(fairlead::bench::Figures& figures, const std::string& name, const std::vector<std::uint32_t>& trace) {
  const auto entry = make_entry(4096);
  const std::size_t cost = entry->bytes() + 256 + 40 + 48 + sizeof(EntryPtr);
  for (const std::size_t objects : {1000UL, 5000UL, 20'000UL}) {
    const auto what = name + ", room for " + std::to_string(objects) + " of 100000 objects, share of hits: ";
    figures.add(what + "LRU", lru_ratio(trace, objects), "");
    figures.add(what + "store", store_ratio(trace, objects, entry, cost), "");
  }
}

void lookups(fairlead::bench::Figures& figures) {
  Store store(64 << 20, 1 << 20);
  const auto entry = make_entry(100);
  std::vector<std::string> texts;
  for (int i = 0; i < 1000; ++i) texts.push_back("http://a.example/" + std::to_string(i) + "\nrule");
  const auto key_of = [&](const std::string& text) {
    Key key{.text = text, .url_size = text.size() - 5};
    store.hash(key);
    return key;
  };
  for (const auto& text : texts) store.insert(key_of(text), entry, store.epoch(key_of(text)));
  constexpr int kRounds = 5000;
  const auto begin = std::chrono::steady_clock::now();
  std::size_t found = 0;
  for (int round = 0; round < kRounds; ++round)
    for (const auto& text : texts) found += store.find(key_of(text)) != nullptr ? 1U : 0U;
  const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
  if (found != kRounds * texts.size()) std::abort();
  figures.add("look-up with hash, one thread", took.count() / (kRounds * 1000.0), "ns");
}

}  // namespace

int main(int argc, char** argv) {
  fairlead::bench::Figures figures(argc > 1 && std::string_view(argv[1]) == "--json");
  ratios(figures, "popular", popular());
  ratios(figures, "crawled", crawled());
  lookups(figures);
}
