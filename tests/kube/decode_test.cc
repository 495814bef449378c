#include "pkg/base/result.h"
#include "pkg/kube/object.h"
#include "pkg/kube/resource.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "tests/faults/record.h"

// What an object keeps of the text it came in, and what no text may do to the decoder.
namespace podkeeper::kube {
namespace {

using base::ErrorCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

const std::string kMetadata = R"("metadata":{"name":"a","namespace":"shop","resourceVersion":"7"})";

std::unique_ptr<Object> decode(std::string_view json, DecodeOptions options = {}) {
  auto object = decode_object(pods(), json, options);
  EXPECT_TRUE(object.has_value()) << object.error().message;
  return object.has_value() ? *std::move(object) : nullptr;
}

std::string refusal(std::string_view json) {
  const auto object = decode_object(pods(), json);
  if (object.has_value()) return "accepted";
  EXPECT_EQ(object.error().code, ErrorCode::kDecode) << object.error().message;
  return object.error().message;
}

TEST(Decode, AnErrorTellsNothingOfWhatAnObjectHolds) {
  const std::string item = R"({"metadata":{"name":"key","namespace":"shop","resourceVersion":"7"},)"
                           R"("data":{"token":"c2VjcmV0"},"type":"c2VjcmV0"})";
  const std::string list =
      R"({"kind":"SecretList","metadata":{"resourceVersion":"9"},"items":[)" + item + "]}";
  Resource secrets;
  secrets.plural = "secrets";
  secrets.kind = "Secret";
  ASSERT_TRUE(decode_list(secrets, list));
  for (std::size_t size = 0; size < list.size(); ++size) {
    const auto cut = decode_list(secrets, list.substr(0, size));
    ASSERT_FALSE(cut) << size;
    EXPECT_THAT(cut.error().message, ::testing::Not(HasSubstr("c2Vj"))) << size;
    std::string torn = list;
    torn[size] = '\x01';
    const auto bent = decode_list(secrets, torn);
    if (!bent) EXPECT_THAT(bent.error().message, ::testing::Not(HasSubstr("c2Vj"))) << size;
  }
}

TEST(Decode, PutsMetadataFirstWhereverItStands) {
  const std::string metadata =
      R"("metadata":{"name":"x","namespace":"shop","managedFields":[{}],"uid":"u\u0031",)"
      R"("resourceVersion":"77","labels":{"a":"b"}})";
  const std::string kept = R"("metadata":{"name":"x","namespace":"shop","uid":"u\u0031",)"
                           R"("resourceVersion":"77","labels":{"a":"b"}})";
  struct Case {
    std::string json, body;
  };
  const Case cases[] = {
      {R"({"apiVersion":"g/v1","data":{"a":1},"kind":"K",)" + metadata + R"(,"spec":[2]})",
       kept + R"(,"data":{"a":1},"spec":[2]})"},
      {R"({"data":",","extra":[3,4],)" + metadata + "}", kept + R"(,"data":",","extra":[3,4]})"},
      {"{ \"data\" : 1 ,\n " + metadata + ",\"kind\":\"K\" }", kept + ",\"data\" : 1 \n  }"},
      {"{" + metadata + R"(,"data":1})", kept + R"(,"data":1})"},
  };
  Resource resource;
  resource.group = "g";
  resource.kind = "K";
  for (const auto& [json, body] : cases) {
    const auto object = decode_object(resource, json, {.drop_managed_fields = true});
    ASSERT_TRUE(object) << object.error().message;
    const Object& read = **object;
    EXPECT_EQ(read.body, body);
    EXPECT_EQ(read.uid, "u1");
    EXPECT_EQ(read.label("a"), "b");
    EXPECT_EQ(read.body.substr(read.revision_offset, read.revision_length), "77");
  }
}

TEST(Decode, FindsAPodsFieldsBehindMetadataThatCameLast) {
  const auto pod =
      decode(R"({"spec":{"nodeName":"n1"},"status":{"phase":"Running"},)" + kMetadata + "}");
  ASSERT_NE(pod, nullptr);
  EXPECT_EQ(pod->pod()->node_name, "n1");
  EXPECT_EQ(pod->pod()->phase, "Running");
  EXPECT_TRUE(pod->body.starts_with(kMetadata + R"(,"spec":)"));
  EXPECT_EQ(pod->body.substr(pod->revision_offset, pod->revision_length), "7");
}

TEST(Decode, KeepsTheBytesOfAResourceItHasNoFieldsFor) {
  const std::string body =
      R"("metadata":{"name":"x","generation":2,"resourceVersion":"7","uid":"u","labels":{"a":"b"}},)"
      R"("spec":{"strategy":"LockFree","shards":64},"status":{"conditions":[]}})";
  const auto policy = decode_object(
      concurrent_map_policies(),
      R"({"apiVersion":"podkeeper.dev/v1alpha1","kind":"ConcurrentMapPolicy",)" + body);
  ASSERT_TRUE(policy.has_value()) << policy.error().message;
  EXPECT_EQ((*policy)->body, body);
  EXPECT_EQ((*policy)->key_text, "x");
  EXPECT_EQ((*policy)->revision, Revision{7});
  EXPECT_EQ((*policy)->uid, "u");
  EXPECT_THAT((*policy)->labels, ElementsAre(Pair("a", "b")));
}

TEST(Decode, CutsTheHeadWhereverItStands) {
  const std::string body = kMetadata + R"(,"spec":{"kind":"x"}})";
  for (const std::string& json :
       {"{" + body, R"({"kind":"Pod","apiVersion":"v1",)" + body, R"({"apiVersion":"v1",)" + body,
        "{" + kMetadata + R"(,"kind":"Pod","spec":{"kind":"x"},"apiVersion":"v1"})",
        "{" + kMetadata + R"(,"spec":{"kind":"x"},"kind":"Pod","apiVersion":"v1"})",
        R"({"kind":"Pod",)" + kMetadata + R"(,"apiVersion":"v1","spec":{"kind":"x"}})"}) {
    const auto object = decode(json);
    ASSERT_NE(object, nullptr) << json;
    EXPECT_EQ(object->body, body) << json;
    EXPECT_EQ(object->body.substr(object->revision_offset, object->revision_length), "7") << json;
  }
}

TEST(Decode, DropsManagedFieldsOnlyWhenAsked) {
  for (const char* metadata : {R"("managedFields":[{"a":"]}"}],"name":"a","namespace":"shop")",
                               R"("name":"a","managedFields":[],"namespace":"shop")",
                               R"("name":"a","namespace":"shop","managedFields":[{}])"}) {
    const std::string json = std::string(R"({"metadata":{)") + metadata + "}}";
    EXPECT_EQ(decode(json)->body, json.substr(1));
    EXPECT_EQ(decode(json, {.drop_managed_fields = true})->body,
              R"("metadata":{"name":"a","namespace":"shop"}})");
  }
}

TEST(Decode, ReadsWhatIsSpeltWithEscapes) {
  const auto object = decode(R"({"metadata":{"\u006eame":"a","namespace":"shop","labels":{)"
                             R"("b\/c":"\u00fc\ud83d\ude00","a":"\n"}},)"
                             R"("spec":{"nodeName":"n\u00b7"}})");
  EXPECT_EQ(object->key_text, "shop/a");
  EXPECT_THAT(object->labels, ElementsAre(Pair("a", "\n"), Pair("b/c", "ü😀")));
  EXPECT_EQ(object->pod()->node_name, "n·");
  EXPECT_EQ(object->label("b/c"), "ü😀");
  EXPECT_EQ(object->label("b"), std::nullopt);
}

TEST(Decode, ReadsALoneSurrogateAsGoDoes) {
  const auto object =
      decode(R"({"metadata":{"name":"a","namespace":"shop","uid":"\ud83d|\udc00|\ud83dA"}})");
  EXPECT_EQ(object->uid,
            "\xEF\xBF\xBD|\xEF\xBF\xBD|\xEF\xBF\xBD"
            "A");
  faults::record({.row = 9,
                  .outcome = "a lone surrogate is read as U+FFFD, as Go reads it",
                  .evidence = "none: the object is as upstream means it",
                  .recovery = {}});
}

TEST(Decode, TakesTheFirstOfDuplicateKeys) {
  const auto object = decode(
      R"({"metadata":{"name":"a","name":"b","namespace":"shop","labels":{"k":"1",)"
      R"("j":"2","k":"3"}},)"
      R"("metadata":{"name":"c"},"spec":{"nodeName":"n","nodeName":"m"},"spec":{"nodeName":"o"}})");
  EXPECT_EQ(object->key_text, "shop/a");
  EXPECT_EQ(object->pod()->node_name, "n");
  EXPECT_THAT(object->labels, ElementsAre(Pair("j", "2"), Pair("k", "1")));
  faults::record(
      {.row = 9,
       .outcome = "of duplicate keys the first counts, for identity, labels and fields alike",
       .evidence = "none: one parser decides",
       .recovery = {}});
}

TEST(Decode, TakesNullAsAbsent) {
  const auto object = decode(
      R"({"metadata":{"name":"a","namespace":"shop","labels":null,"creationTimestamp":null},)"
      R"("spec":{"containers":null,"hostNetwork":null},"status":null})");
  EXPECT_TRUE(object->labels.empty());
  EXPECT_EQ(object->created, 0);
  EXPECT_EQ(object->pod()->containers_total, 0U);
}

TEST(Decode, KeepsItsViewsWhenTheTextIsGone) {
  auto json = std::make_unique<std::string>(
      R"({"metadata":{"name":"a","namespace":"shop","uid":"u-1","labels":{)"
      R"("k":"v"}},"spec":{"nodeName":"n"}})");
  const auto object = decode(*json);
  std::string(json->size(), 'x').swap(*json);
  json.reset();
  EXPECT_EQ(object->uid, "u-1");
  EXPECT_EQ(object->label("k"), "v");
  EXPECT_EQ(object->pod()->node_name, "n");
}

TEST(Decode, HoldsItsBytesWithoutSlack) {
  const auto object =
      decode("{" + kMetadata + R"(,"spec":{"x":")" + std::string(5000, 'y') + "\"}}");
  EXPECT_EQ(object->body.capacity(), object->body.size());
  EXPECT_LT(object->bytes(), object->body.size() + 1000);
}

TEST(Decode, NamesTheFieldThatIsWrong) {
  EXPECT_THAT(refusal(R"({"metadata":{"name":1}})"), HasSubstr("metadata.name is not a string"));
  EXPECT_THAT(refusal(R"({"metadata":{"namespace":"shop"}})"),
              HasSubstr("metadata.name is missing"));
  EXPECT_THAT(refusal(R"({"metadata":{"name":"a"}})"), HasSubstr("metadata.namespace is missing"));
  EXPECT_THAT(refusal(R"({"metadata":{"name":"a/b","namespace":"c"}})"), HasSubstr("has a '/'"));
  EXPECT_THAT(refusal(R"({"metadata":{"resourceVersion":"x7"}})"),
              HasSubstr("metadata.resourceVersion is \"x7\""));
  EXPECT_THAT(refusal(R"({"metadata":{"creationTimestamp":"noon"}})"),
              HasSubstr("metadata.creationTimestamp is not an RFC 3339 time"));
  EXPECT_THAT(refusal(R"({"kind":"Node"})"), HasSubstr("kind is Node, want Pod"));
  EXPECT_THAT(refusal(R"({"spec":[]})"), HasSubstr("spec is not an object"));
}

TEST(Decode, RefusesWhatIsNoJson) {
  const std::string good = "{" + kMetadata + R"(,"spec":{"x":[1,-2.5e3,true,false,null,"s",{}]}})";
  ASSERT_EQ(refusal(good), "accepted");
  for (std::size_t cut = 0; cut < good.size(); ++cut) {
    EXPECT_NE(refusal(std::string_view(good).substr(0, cut)), "accepted") << cut;
  }
  for (const char* value : {"01",       "1.",           "+1",
                            ".5",       "1e",           "tru",
                            "nul",      "\"\\q\"",      "\"\\u12g4\"",
                            "[1 2]",    "[1,]",         "{\"a\"}",
                            "{\"a\":}", "{\"a\":1,}",   "{1:2}",
                            "[}",       "{]",           "\"\x01\"",
                            "\"\xff\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"",
                            "1\"a\"",   "'a'",          "",
                            "1}",       "\"a\"b"}) {
    EXPECT_NE(refusal("{" + kMetadata + ",\"x\":" + value + "}"), "accepted") << value;
  }
  EXPECT_NE(refusal(good + "{}"), "accepted");
  EXPECT_NE(refusal("[" + good + "]"), "accepted");
}

TEST(Decode, RefusesWhatIsNestedTooDeep) {
  const auto nested = [](std::size_t depth) {
    return "{" + kMetadata + ",\"x\":" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  EXPECT_EQ(refusal(nested(511)), "accepted");
  EXPECT_THAT(refusal(nested(512)), HasSubstr("nested too deep"));
  EXPECT_THAT(refusal(nested(1'000'000)), HasSubstr("nested too deep"));
}

TEST(Decode, RefusesAnObjectBeyondItsLimit) {
  const auto object = decode_object(
      pods(), "{" + kMetadata + ",\"x\":\"" + std::string(kObjectBytesMax, 'y') + "\"}");
  ASSERT_FALSE(object.has_value());
  EXPECT_EQ(object.error().code, ErrorCode::kTooLarge);
}

TEST(Decode, TakesAnObjectOfTenThousandLabels) {
  std::string labels;
  for (int i = 0; i < 10'000; ++i) {
    labels +=
        (i == 0 ? "" : ",") + ("\"k" + std::to_string(i) + "\":\"") + std::string(140, 'v') + '"';
  }
  const std::string json = R"({"metadata":{"name":"a","namespace":"shop","resourceVersion":"3",)"
                           R"("labels":{)" +
                           labels + "}}}";
  ASSERT_GT(json.size(), 1'500'000U);
  const auto object = decode(json);
  EXPECT_EQ(object->labels.size(), 10'000U);
  EXPECT_EQ(object->label("k9999"), std::string(140, 'v'));
  faults::record(
      {.row = 11,
       .outcome = "1.5 MB with 10,000 labels is stored; no metric has labels of an object",
       .evidence = "podkeeper_store_bytes",
       .recovery = {}});
}

TEST(Decode, ReadsAListWhateverTheOrderOfItsMembers) {
  const auto list = decode_list(
      pods(), "{\"items\":[{" + kMetadata + "}],\"metadata\":{\"resourceVersion\":\"9\"}}");
  ASSERT_TRUE(list.has_value()) << list.error().message;
  EXPECT_EQ(list->revision.value, 9U);
  EXPECT_EQ(list->items.size(), 1U);
}

TEST(Decode, RefusesAListWithoutItemsOrRevision) {
  for (const char* json : {R"({"metadata":{"resourceVersion":"9"}})", R"({"items":[]})"}) {
    EXPECT_FALSE(decode_list(pods(), json).has_value()) << json;
  }
}

/// A list of what cannot be read, between two pods that can.
base::Result<DecodedList> list_around(const std::string& item) {
  const auto pod = [](const char* name) {
    return R"({"metadata":{"name":")" + std::string(name) +
           R"(","namespace":"shop","resourceVersion":"7"}})";
  };
  return decode_list(pods(), R"({"metadata":{"resourceVersion":"9"},"items":[)" + pod("a") + "," +
                                 item + "," + pod("z") + "]}");
}

TEST(Decode, AnItemThatCannotBeReadIsQuarantinedAlone) {
  const std::string metadata =
      R"("metadata":{"name":"b\u0061d","namespace":"shop","uid":"u","resourceVersion":"8"})";
  for (const std::string& rest :
       {std::string(R"("spec":{"nodeName":7})"), std::string(R"("status":[])"),
        R"("x":)" + std::string(10'000, '[') + std::string(10'000, ']'),
        R"("x":")" + std::string(kObjectBytesMax, 'y') + "\""}) {
    const auto list = list_around("{" + metadata + "," + rest + "}");
    ASSERT_TRUE(list.has_value()) << list.error().message;
    ASSERT_EQ(list->items.size(), 2U);
    EXPECT_EQ(list->items[1]->key_text, "shop/z");
    ASSERT_EQ(list->quarantined.size(), 1U);
    EXPECT_EQ(list->quarantined[0].key(), "shop/bad");
    EXPECT_EQ(list->quarantined[0].uid, "u");
    EXPECT_EQ(list->quarantined[0].revision, "8");
  }
  constexpr const char* kGauge = "podkeeper_reflector_quarantined_objects";
  faults::record({.row = 10,
                  .outcome = "nested deeper than 512 it is left out; the others are read",
                  .evidence = kGauge});
  faults::record({.row = 11,
                  .outcome = "beyond 16 MiB it is left out; the others are read",
                  .evidence = kGauge});
}

TEST(Decode, AnItemWithoutANameIsQuarantinedNameless) {
  for (const char* item : {"7", "[]", R"({"metadata":{"name":"a","namespace":"b"}})",
                           R"({"metadata":{"name":"a","resourceVersion":"7"}})",
                           R"({"metadata":{"name":"a","namespace":"b","resourceVersion":"x"}})"}) {
    const auto list = list_around(item);
    ASSERT_TRUE(list.has_value()) << list.error().message;
    EXPECT_EQ(list->items.size(), 2U);
    ASSERT_EQ(list->quarantined.size(), 1U) << item;
    EXPECT_EQ(list->quarantined[0].key(), "") << item;
  }
}

TEST(Decode, AnItemThatIsNoJsonFailsTheList) {
  for (const char* item : {R"({"metadata":tru})", R"({"metadata":{"name":}})", R"({"a" "b"})"}) {
    EXPECT_FALSE(list_around(item).has_value()) << item;
  }
}

TEST(Decode, WhatIsNoUtf8IsReplacedAsByGo) {
  const auto list = list_around(
      "{\"metadata\":{\"name\":\"b\",\"namespace\":\"shop\",\"resourceVersion\":\"8\","
      "\"labels\":{\"a\":\"x\xff\xc3y\"}}}");
  ASSERT_TRUE(list.has_value()) << list.error().message;
  EXPECT_TRUE(list->repaired);
  ASSERT_EQ(list->items.size(), 3U);
  EXPECT_EQ(list->items[1]->label("a"), "x\xef\xbf\xbd\xef\xbf\xbdy");
  EXPECT_FALSE(list_around("{\xff}").has_value());
  faults::record({.row = 9,
                  .outcome = "bytes that are no UTF-8 are read as U+FFFD, as Go reads them",
                  .evidence = "log: text that is not UTF-8 was repaired"});
}

TEST(Decode, AnEventOfWhatCannotBeReadIsADeletion) {
  for (const char* type : {"ADDED", "MODIFIED", "DELETED"}) {
    const auto event = decode_watch_event(
        pods(), R"({"type":")" + std::string(type) +
                    R"(","object":{"metadata":{"name":"bad","namespace":"shop","uid":"u",)"
                    R"("resourceVersion":"8"},"spec":{"nodeName":7}}})");
    ASSERT_TRUE(event.has_value()) << event.error().message;
    EXPECT_EQ(event->type, EventType::kDeleted);
    EXPECT_EQ(event->revision.value, 8U);
    EXPECT_EQ(event->object->key_text, "shop/bad");
    EXPECT_EQ(event->object->uid, "u");
    ASSERT_TRUE(event->quarantined.has_value());
    EXPECT_THAT(event->quarantined->why.message, HasSubstr("nodeName"));
  }
  EXPECT_FALSE(decode_watch_event(pods(), R"({"type":"ADDED","object":{"spec":{"nodeName":7}}})"));
}

TEST(Decode, ReadsAnEventWhoseTypeComesLast) {
  const auto event =
      decode_watch_event(pods(), R"({"object":{)" + kMetadata + R"(},"type":"DELETED"})");
  ASSERT_TRUE(event.has_value()) << event.error().message;
  EXPECT_EQ(event->type, EventType::kDeleted);
  EXPECT_EQ(event->object->key_text, "shop/a");
}

TEST(Decode, RefusesAnEventThatIsNone) {
  for (const char* line : {"{}", R"({"type":"ADDED"})", R"({"type":"ODD","object":{}})",
                           R"({"type":"BOOKMARK","object":{"metadata":{}}})",
                           R"({"type":"ERROR","object":{"kind":"Pod"}})", "", "null"}) {
    EXPECT_FALSE(decode_watch_event(pods(), line).has_value()) << line;
  }
}

}  // namespace
}  // namespace podkeeper::kube
