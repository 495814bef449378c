// What it costs to take in a LIST: the recorded 10,000 pods in pages of 500, from bytes of JSON to
// objects that can be read. Peers: nlohmann-json and Boost.JSON (a document each), simdjson's own
// document with a copy of each item.

#include "pkg/base/epoch.h"
#include "pkg/kube/object.h"
#include "pkg/runtime/simulated_world.h"
#include "pkg/state/store.h"

#include <boost/json/src.hpp>
#include <nlohmann/json.hpp>
#include <simdjson.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/harness.h"
#include "tests/bench/http_load.h"

namespace podkeeper::bench {
namespace {

constexpr std::size_t kPageItems = 500;

/// The list cut into the pages that a reflector gets.
std::vector<std::string> pages_of(const std::string& list, std::size_t items_max) {
  const auto whole = nlohmann::ordered_json::parse(list);
  std::vector<std::string> pages;
  nlohmann::ordered_json page = whole;
  page["items"] = nlohmann::ordered_json::array();
  std::size_t taken = 0;
  for (const auto& item : whole.at("items")) {
    if (taken++ == items_max) break;
    page["items"].push_back(item);
    if (page["items"].size() == kPageItems) {
      pages.push_back(page.dump());
      page["items"].clear();
    }
  }
  if (!page["items"].empty()) pages.push_back(page.dump());
  return pages;
}

template <class F>
Cost once(F&& body) {
  return run_threads(1, [&](std::size_t) { body(); });
}

Cost by_nlohmann(const std::vector<std::string>& pages) {
  return once([&] {
    for (const std::string& page : pages) keep(nlohmann::json::parse(page).at("items").size());
  });
}

Cost by_boost(const std::vector<std::string>& pages) {
  return once([&] {
    for (const std::string& page : pages) {
      boost::json::monotonic_resource memory;
      keep(boost::json::parse(page, &memory).at("items").as_array().size());
    }
  });
}

Cost by_simdjson(const std::vector<std::string>& pages) {
  return once([&] {
    simdjson::dom::parser parser;
    std::vector<std::string> items;
    for (const std::string& page : pages) {
      for (const simdjson::dom::element item : parser.parse(page)["items"].get_array()) {
        items.push_back(simdjson::minify(item));
      }
    }
    keep(items.size());
  });
}

Cost by_podkeeper(const std::vector<std::string>& pages) {
  return once([&] {
    runtime::SimulatedWorld world(1);
    state::Store store(world.clock(),
                       state::StoreOptions{.resource = kube::pods(), .map = {}, .log = {}});
    std::vector<std::unique_ptr<kube::Object>> objects;
    kube::Revision revision;
    for (const std::string& page : pages) {
      auto list = kube::decode_list(kube::pods(), page);
      if (!list) std::abort();
      revision = list->revision;
      for (auto& item : list->items) objects.push_back(std::move(item));
    }
    const std::size_t count = objects.size();
    store.replace(std::move(objects), revision);
    if (store.stats().objects != count) std::abort();
  });
}

int run(int argc, char** argv) {
  const Flags flags = parse_flags(argc, argv);
  const auto pages = pages_of(inflate_file(PK_SOURCE_DIR "/tests/data/pods-10k.json.gz"),
                              flags.small ? 1'000 : 10'000);
  double megabytes = 0;
  for (const std::string& page : pages) megabytes += static_cast<double>(page.size()) * 1e-6;
  const char* names[] = {"nlohmann-json document", "Boost.JSON document",
                         "simdjson document and copies", "podkeeper: decoded, stored and indexed"};
  const auto outcomes =
      interleave(flags.small ? 3 : 7,
                 {[&] { return by_nlohmann(pages); }, [&] { return by_boost(pages); },
                  [&] { return by_simdjson(pages); }, [&] { return by_podkeeper(pages); }});
  std::printf("ingest of %.1f MB, CPU\n", megabytes);
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    std::printf("  %-40s %7.3f s  %7.0f MB/s  %5.1fx\n", names[i], outcomes[i].cost.cpu_seconds,
                megabytes / outcomes[i].cost.cpu_seconds, outcomes[i].cpu_ratio);
  }
  Report report(flags);
  const double ours = outcomes[3].cost.cpu_seconds;
  report.add("ingest_cpu_seconds", ours, "s", names[0], outcomes[3].cpu_ratio);
  report.add("ingest_against_boost_json", ours, "s", names[1], outcomes[1].cost.cpu_seconds / ours);
  report.add("ingest_against_simdjson", ours, "s", names[2], outcomes[2].cost.cpu_seconds / ours);
  return report.finish();
}

}  // namespace
}  // namespace podkeeper::bench

int main(int argc, char** argv) { return podkeeper::bench::run(argc, argv); }
