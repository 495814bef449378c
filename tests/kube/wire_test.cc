#include "pkg/base/result.h"
#include "pkg/kube/object.h"
#include "pkg/kube/resource.h"
#include "pkg/kube/selector.h"
#include "pkg/kube/status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstddef>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "tests/kube/recorded.h"

// Every recording of a real API server that a client of ours meets, read as INDEX.md says it is.
namespace podkeeper::kube {
namespace {

using base::ErrorCode;
using Json = nlohmann::json;
using testing::read_recorded;
using testing::Recorded;

const Resource& policies() {
  static const Resource resource = {.group = "podkeeper.dev",
                                    .version = "v1alpha1",
                                    .plural = "concurrentmappolicies",
                                    .singular = "concurrentmappolicy",
                                    .kind = "ConcurrentMapPolicy",
                                    .short_names = {},
                                    .namespaced = false};
  return resource;
}

struct ListCase {
  const char* number;
  const Resource& resource;
  std::size_t items;
  std::uint64_t revision;
  std::optional<std::int64_t> remaining = {};
};

const ListCase kLists[] = {
    {"019", pods(), 5, 220},     {"020", pods(), 5, 220},    {"021", nodes(), 2, 220},
    {"022", pods(), 0, 220},     {"024", pods(), 5, 220},    {"025", pods(), 2, 220, 3},
    {"026", pods(), 2, 220, 1},  {"027", pods(), 1, 220},    {"031", pods(), 5, 220},
    {"032", pods(), 5, 220},     {"039", pods(), 5, 220},    {"040", pods(), 5, 220},
    {"060", nodes(), 0, 220},    {"070", pods(), 1, 220, 4}, {"071", pods(), 1, 220, 4},
    {"072", pods(), 1, 220, 4},  {"074", pods(), 1, 220, 4}, {"115", pods(), 1, 294, 4},
    {"160", policies(), 2, 315}, {"199", pods(), 1, 332, 3}, {"201", pods(), 4, 332},
    {"209", pods(), 0, 334},     {"210", pods(), 0, 334},    {"212", pods(), 2, 334},
    {"219", pods(), 2, 350},     {"221", pods(), 4, 350},
};

TEST(Wire, EveryListIsRead) {
  for (const ListCase& each : kLists) {
    SCOPED_TRACE(each.number);
    const Recorded recorded = read_recorded(each.number);
    ASSERT_TRUE(recorded.complete);
    const auto list = decode_list(each.resource, recorded.body);
    ASSERT_TRUE(list.has_value()) << list.error().message;
    EXPECT_EQ(list->items.size(), each.items);
    EXPECT_EQ(list->revision.value, each.revision);
    EXPECT_EQ(list->remaining_items, each.remaining);
    const Json other = Json::parse(recorded.body);
    EXPECT_EQ(list->continue_token, other["metadata"].value("continue", ""));
    for (std::size_t i = 0; i < each.items; ++i) {
      Json want = other["items"][i];
      want.erase("kind");
      want.erase("apiVersion");
      EXPECT_EQ(Json::parse("{" + list->items[i]->body), want);
      EXPECT_TRUE(list->items[i]->body.starts_with("\"metadata\":"));
    }
  }
}

TEST(Wire, WhatAListAnswerIsNotIsRefused) {
  // Table, metadata only, protobuf, gzip, cut in the middle, an error where a list was asked.
  for (const char* number :
       {"061", "062", "064", "066", "067", "224", "225", "226", "229", "220"}) {
    const auto list = decode_list(pods(), read_recorded(number).body);
    ASSERT_FALSE(list.has_value()) << number;
    EXPECT_EQ(list.error().code, ErrorCode::kDecode) << number;
  }
  EXPECT_FALSE(read_recorded("225").complete);
}

TEST(Wire, EverySingleObjectIsReadWithoutItsHead) {
  for (const char* number : {"002", "003", "075", "076", "081", "194", "195", "197"}) {
    const Recorded recorded = read_recorded(number);
    const auto pod = decode_object(pods(), recorded.body);
    ASSERT_TRUE(pod.has_value()) << number << ": " << pod.error().message;
    // The server ends an object with a newline.
    EXPECT_EQ(R"({"kind":"Pod","apiVersion":"v1",)" + (*pod)->body + "\n", recorded.body) << number;
  }
  EXPECT_TRUE(decode_object(nodes(), read_recorded("001").body).has_value());
  for (const char* number : {"142", "150", "152", "154", "155"}) {
    EXPECT_TRUE(decode_object(policies(), read_recorded(number).body).has_value()) << number;
  }
  EXPECT_FALSE(decode_object(pods(), read_recorded("001").body).has_value());
  EXPECT_FALSE(decode_object(pods(), read_recorded("065").body).has_value());
  EXPECT_FALSE(decode_object(pods(), read_recorded("196").body).has_value());
}

/// "A217 M218 B220!": types and revisions; "!" where the initial events end, "E410" for an error.
std::string story(const Resource& resource, const std::string& body) {
  std::istringstream lines(body);
  std::string told;
  for (std::string line; std::getline(lines, line);) {
    const auto event = decode_watch_event(resource, line);
    if (!event.has_value()) return told + "?";
    told += to_string(event->type)[0];
    if (event->type == EventType::kError) {
      told += event->error.code == ErrorCode::kExpired ? "410" : "other";
    } else {
      told += to_string(event->revision);
    }
    if (event->initial_events_end) told += "!";
    told += " ";
    const bool has_object = event->type != EventType::kBookmark && event->type != EventType::kError;
    EXPECT_EQ(event->object != nullptr, has_object);
  }
  return told;
}

struct WatchCase {
  const char* number;
  const char* told;
  bool complete = true;
};

constexpr WatchCase kWatches[] = {
    {"084", "A221 M222 M223 M224 M225 D226 ", false},
    {"085", "A217 A218 A214 A215 A216 "},
    {"086", "A217 A218 A214 A215 A216 "},
    {"087", "A228 M229 D231 ", false},
    {"089", "A241 M242 M243 M244 M245 D246 ", false},
    {"090", "?", false},  // Tables
    {"091", "?", false},  // metadata only
    {"094", "A217 A218 A214 A215 A216 B276! A277 B277 M278 M279 M280 M281 D282 B282 "},
    {"095", "A217 A218 A214 A215 A216 B282! "},
    {"096", ""},
    {"099", "B284! "},
    {"102", ""},
    {"104", "A287 M288 M289 M290 M291 D292 "},
    {"105", "A217 A218 A214 A215 A216 "},
    {"204", "A217 A218 A214 A295 "},
    {"205", "A217 A218 A214 A295 ", false},
    {"206", "A217 A218 A214 A295 ", false},
    {"214", "M335 M336 M337 M338 M339 "},
    {"215", "A339 A218 A214 A295 "},
    {"216", "E410 "},
    {"217", "E410 "},
    {"222", "A339 A218 A214 A295 B350! "},
    {"227", ""},
};

TEST(Wire, EveryWatchTellsItsStory) {
  for (const WatchCase& each : kWatches) {
    const Recorded recorded = read_recorded(each.number);
    EXPECT_EQ(recorded.complete, each.complete) << each.number;
    EXPECT_EQ(story(pods(), recorded.body), each.told) << each.number;
  }
  EXPECT_EQ(story(nodes(), read_recorded("136").body), "B220 B286 B286 ");
}

TEST(Wire, WhatLeavesASelectorIsDeletedWithItsOldContentAndItsNewRevision) {
  std::istringstream lines(read_recorded("087").body);
  std::string line;
  for (int i = 0; i < 3; ++i) std::getline(lines, line);
  const auto event = decode_watch_event(pods(), line);
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->type, EventType::kDeleted);
  EXPECT_EQ(event->object->label("app"), "watched");
  EXPECT_EQ(event->revision.value, 231U);
}

struct ErrorCase {
  const char* number;
  ErrorCode code;
};

constexpr ErrorCase kErrors[] = {
    {"029", ErrorCode::kInvalidArgument},  {"030", ErrorCode::kInvalidArgument},
    {"034", ErrorCode::kUnprocessable},    {"035", ErrorCode::kUnprocessable},
    {"036", ErrorCode::kUnprocessable},    {"037", ErrorCode::kInvalidArgument},
    {"059", ErrorCode::kInvalidArgument},  {"079", ErrorCode::kNotFound},
    {"097", ErrorCode::kUnprocessable},    {"100", ErrorCode::kUnprocessable},
    {"106", ErrorCode::kTimeout},          {"107", ErrorCode::kTimeout},
    {"109", ErrorCode::kUnauthorized},     {"110", ErrorCode::kForbidden},
    {"111", ErrorCode::kForbidden},        {"112", ErrorCode::kForbidden},
    {"114", ErrorCode::kForbidden},        {"119", ErrorCode::kMethodNotAllowed},
    {"120", ErrorCode::kMethodNotAllowed}, {"122", ErrorCode::kUnsupportedMediaType},
    {"124", ErrorCode::kInvalidArgument},  {"125", ErrorCode::kInvalidArgument},
    {"126", ErrorCode::kInvalidArgument},  {"127", ErrorCode::kInvalidArgument},
    {"129", ErrorCode::kAlreadyExists},    {"130", ErrorCode::kConflict},
    {"131", ErrorCode::kConflict},         {"132", ErrorCode::kUnprocessable},
    {"134", ErrorCode::kNotFound},         {"135", ErrorCode::kUnprocessable},
    {"137", ErrorCode::kUnprocessable},    {"144", ErrorCode::kUnprocessable},
    {"145", ErrorCode::kUnprocessable},    {"156", ErrorCode::kConflict},
    {"159", ErrorCode::kConflict},         {"190", ErrorCode::kTooManyRequests},
    {"196", ErrorCode::kNotFound},         {"200", ErrorCode::kMethodNotAllowed},
    {"202", ErrorCode::kNotFound},         {"207", ErrorCode::kInvalidArgument},
    {"211", ErrorCode::kTooLarge},         {"220", ErrorCode::kExpired},
};

/// The Status that was recorded, read by another library.
Status other_reading(const Json& json) {
  Status status{.message = json.value("message", ""),
                .reason = json.value("reason", ""),
                .code = json["code"].get<int>(),
                .details_always = json.contains("details")};
  const Json details = json.value("details", Json::object());
  status.name = details.value("name", "");
  status.group = details.value("group", "");
  status.kind = details.value("kind", "");
  status.uid = details.value("uid", "");
  status.retry_after_seconds = details.value("retryAfterSeconds", 0);
  for (const Json& cause : details.value("causes", Json::array())) {
    status.causes.push_back(
        {cause.value("reason", ""), cause.value("message", ""), cause.value("field", "")});
  }
  return status;
}

TEST(Wire, EveryErrorIsUnderstoodAndWrittenByteForByte) {
  for (const ErrorCase& each : kErrors) {
    SCOPED_TRACE(each.number);
    const Recorded recorded = read_recorded(each.number);
    const auto error = error_from_response(recorded.status, recorded.body, std::nullopt);
    EXPECT_EQ(error.code, each.code);
    const Json json = Json::parse(recorded.body);
    EXPECT_EQ(error.message, json["message"].get<std::string>());
    EXPECT_EQ(to_json(other_reading(json)), recorded.body);
  }
}

TEST(Wire, IndentedErrorsAreUnderstoodToo) {
  for (const char* number : {"069", "121"}) {
    const Recorded recorded = read_recorded(number);
    const auto error = error_from_response(recorded.status, recorded.body, std::nullopt);
    EXPECT_EQ(error.code, ErrorCode::kNotAcceptable) << number;
  }
}

TEST(Wire, ErrorsThatAreNoStatusAreTakenByTheirStatusCode) {
  for (const char* number : {"191", "192"}) {
    const Recorded recorded = read_recorded(number);
    const auto error =
        error_from_response(recorded.status, recorded.body, recorded.header("Retry-After"));
    EXPECT_EQ(error.code, ErrorCode::kTooManyRequests);
    EXPECT_EQ(error.message, "HTTP 429: Too many requests, please try again later.");
    EXPECT_EQ(error.retry_after, std::chrono::seconds(1));
  }
  for (const char* number : {"080", "139"}) {
    const Recorded recorded = read_recorded(number);
    const auto error = error_from_response(recorded.status, recorded.body, std::nullopt);
    EXPECT_EQ(error.code, ErrorCode::kNotFound);
    EXPECT_EQ(error.message, "HTTP 404: 404 page not found");
  }
  const Recorded protobuf = read_recorded("162");
  EXPECT_EQ(error_from_response(protobuf.status, protobuf.body, std::nullopt).code,
            ErrorCode::kNotAcceptable);
  EXPECT_EQ(error_from_response(405, {}, std::nullopt).message, "HTTP 405");
}

TEST(Wire, AnErrorSaysHowLongToWait) {
  const Recorded recorded = read_recorded("190");
  EXPECT_EQ(error_from_response(429, recorded.body, std::nullopt).retry_after,
            std::chrono::seconds(10));
  EXPECT_EQ(error_from_response(429, recorded.body, "3").retry_after, std::chrono::seconds(3));
}

struct SelectorCase {
  const char* number;
  const char* labels;
  const char* fields;
};

constexpr SelectorCase kSelectors[] = {
    {"041", "app=web", ""},
    {"042", "app!=web", ""},
    {"044", "tier notin (batch)", ""},
    {"045", "app", ""},
    {"046", "!app", ""},
    {"047", "app=web,tier in (web)", ""},
    {"049", "", "spec.nodeName=node-a"},
    {"050", "", "status.phase=Running"},
    {"051", "", "metadata.name=web-0"},
    {"052", "", "metadata.namespace=shop"},
    {"054", "", "spec.nodeName="},
    {"055", "", "status.podIP=10.244.0.5"},
    {"056", "", "spec.restartPolicy=Always"},
    {"057", "", "spec.nodeName=node-a,status.phase=Running"},
    {"022", "", "status.phase=Bogus"},
};

TEST(Wire, SelectorsSelectWhatTheServerSelected) {
  const auto all = decode_list(pods(), read_recorded("019").body);
  for (const SelectorCase& each : kSelectors) {
    const auto labels = LabelSelector::parse(each.labels);
    const auto fields = FieldSelector::parse(pods(), each.fields);
    ASSERT_TRUE(labels.has_value() && fields.has_value()) << each.number;
    std::vector<std::string> selected;
    for (const auto& pod : all->items) {
      if (labels->matches(pod->labels) && fields->matches(*pod)) selected.push_back(pod->key_text);
    }
    std::vector<std::string> recorded;
    const auto list = decode_list(pods(), read_recorded(each.number).body);
    for (const auto& pod : list->items) recorded.push_back(pod->key_text);
    EXPECT_EQ(selected, recorded) << each.number;
  }
}

TEST(Wire, ASetBasedFieldSelectorIsRefusedInTheServersWords) {
  const auto selector = FieldSelector::parse(pods(), "status.phase in (Running)");
  ASSERT_FALSE(selector.has_value());
  EXPECT_EQ(to_json(status_from_error(selector.error())), read_recorded("059").body);
}

TEST(Wire, PodsAreShownWithTheStatusThatTheServersTableShows) {
  const auto list = decode_list(pods(), read_recorded("019").body);
  const Json table = Json::parse(read_recorded("061").body);
  ASSERT_EQ(list->items.size(), table["rows"].size());
  for (std::size_t i = 0; i < list->items.size(); ++i) {
    const Json& cells = table["rows"][i]["cells"];
    const PodFields& pod = *list->items[i]->pod();
    EXPECT_EQ(cells[0], std::string(list->items[i]->name()));
    EXPECT_EQ(cells[1],
              std::to_string(pod.containers_ready) + "/" + std::to_string(pod.containers_total));
    EXPECT_EQ(cells[2], pod.display_status);
    EXPECT_TRUE(cells[3].get<std::string>().starts_with(std::to_string(pod.restarts)));
  }
}

}  // namespace
}  // namespace podkeeper::kube
