#include "pkg/kubeapi/negotiate.h"

#include <charconv>
#include <string>
#include <system_error>
#include <vector>

namespace podkeeper::kubeapi {
namespace {

constexpr std::size_t kMediaRangesMax =
    64;  // beyond, the rest of an Accept header is not looked at

struct MediaRange {
  std::string_view type;
  std::string_view as, group, version;
  double quality = 1.0;
};

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// Takes what stands before `separator` off the front of `text`.
std::string_view take(std::string_view& text, char separator) {
  const auto end = text.find(separator);
  const auto part = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  return trim(part);
}

MediaRange parse_range(std::string_view text) {
  MediaRange range;
  range.type = take(text, ';');
  while (!text.empty()) {
    auto value = take(text, ';');
    const auto key = take(value, '=');
    if (key == "as") range.as = value;
    if (key == "g") range.group = value;
    if (key == "v") range.version = value;
    if (key == "q" &&
        std::from_chars(value.data(), value.data() + value.size(), range.quality).ec !=
            std::errc()) {
      range.quality = 0;
    }
  }
  return range;
}

std::optional<Shape> shape_of(const MediaRange& range, Asked asked) {
  const bool json =
      range.type == "application/json" || range.type == "application/*" || range.type == "*/*";
  if (!json || range.quality <= 0) return std::nullopt;
  if (range.as.empty()) return Shape::kObjects;
  const bool meta = range.group == "meta.k8s.io" && range.version == "v1";
  const bool of_objects =
      asked == Asked::kObject || asked == Asked::kList || asked == Asked::kWatch;
  if (range.as == "Table" && meta && of_objects) return Shape::kTable;
  if (range.as == "PartialObjectMetadata" && meta &&
      (asked == Asked::kObject || asked == Asked::kWatch)) {
    return Shape::kPartialMetadata;
  }
  if (range.as == "PartialObjectMetadataList" && meta && asked == Asked::kList)
    return Shape::kPartialMetadata;
  if (range.as == "APIGroupDiscoveryList" && range.group == "apidiscovery.k8s.io" &&
      range.version == "v2" && asked == Asked::kDiscovery) {
    return Shape::kAggregatedDiscovery;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Shape> negotiate(const http::Headers& headers, Asked asked) {
  std::vector<MediaRange> ranges;
  for (const auto& [name, value] : headers.fields()) {
    if (!http::equal_ignoring_case(name, "Accept")) continue;
    std::string_view rest = value;
    while (!rest.empty() && ranges.size() < kMediaRangesMax) {
      const auto range = take(rest, ',');
      if (!range.empty()) ranges.push_back(parse_range(range));
    }
  }
  if (ranges.empty()) return Shape::kObjects;
  std::optional<Shape> best;
  double best_quality = 0;
  for (const auto& range : ranges) {
    const auto shape = shape_of(range, asked);
    if (!shape || range.quality <= best_quality) continue;
    best = shape;
    best_quality = range.quality;
  }
  return best;
}

}  // namespace podkeeper::kubeapi
