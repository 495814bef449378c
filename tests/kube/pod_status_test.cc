#include "pkg/kube/object.h"
#include "pkg/kube/resource.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

// The STATUS column and the counts beside it, case by case as the server's printer decides them.
namespace podkeeper::kube {
namespace {

struct Case {
  const char* name;
  const char* metadata;  ///< beyond name and namespace, with a leading comma
  const char* spec;
  const char* status;
  const char* display;
  const char* ready;
  unsigned restarts;
};

constexpr char kOne[] = R"("containers":[{"name":"a"}])";
constexpr char kTwo[] = R"("containers":[{"name":"a"},{"name":"b"}])";
constexpr char kWithInit[] =
    R"("initContainers":[{"name":"i"},{"name":"s","restartPolicy":"Always"}],)"
    R"("containers":[{"name":"a"}])";

const Case kCases[] = {
    {"the phase where nothing else is said", "", kOne, R"("phase":"Pending")", "Pending", "0/1", 0},
    {"the pod's own reason", "", kOne, R"("phase":"Failed","reason":"Evicted")", "Evicted", "0/1",
     0},
    {"a scheduling gate", "", kOne,
     R"("phase":"Pending","conditions":[{"type":"PodScheduled","status":"False",)"
     R"("reason":"SchedulingGated"}])",
     "SchedulingGated", "0/1", 0},
    {"what a container waits for", "", kOne,
     R"("phase":"Running","containerStatuses":[{"name":"a","restartCount":4,)"
     R"("state":{"waiting":{"reason":"CrashLoopBackOff"}}}])",
     "CrashLoopBackOff", "0/1", 4},
    {"why a container ended", "", kOne,
     R"("phase":"Failed","containerStatuses":[{"name":"a","state":{)"
     R"("terminated":{"exitCode":137,"reason":"OOMKilled"}}}])",
     "OOMKilled", "0/1", 0},
    {"a signal where no reason is given", "", kOne,
     R"("phase":"Failed","containerStatuses":[{"name":"a","state":{)"
     R"("terminated":{"exitCode":137,"signal":9}}}])",
     "Signal:9", "0/1", 0},
    {"an exit code where neither is given", "", kOne,
     R"("phase":"Failed","containerStatuses":[{"name":"a","state":{"terminated":{"exitCode":3}}}])",
     "ExitCode:3", "0/1", 0},
    {"the first container has the last word", "", kTwo,
     R"("phase":"Running","containerStatuses":[{"name":"a","state":{"waiting":{)"
     R"("reason":"First"}}},{"name":"b","state":{"waiting":{)"
     R"("reason":"Second"}}}])",
     "First", "0/2", 0},
    {"one completed, one running, ready", "", kTwo,
     R"("phase":"Running","conditions":[{"type":"Ready","status":"True"}],)"
     R"("containerStatuses":[{"name":"a","state":{"terminated":{"exitCode":0,)"
     R"("reason":"Completed"}}},{"name":"b","ready":true,"state":{"running":{)"
     R"(}}}])",
     "Running", "1/2", 0},
    {"one completed, one running, not ready", "", kTwo,
     R"("phase":"Running","containerStatuses":[{"name":"a","state":{)"
     R"("terminated":{"exitCode":0,"reason":"Completed"}}},{"name":"b",)"
     R"("ready":true,"state":{"running":{}}}])",
     "NotReady", "1/2", 0},
    {"an init container is under way", "", kWithInit,
     R"("phase":"Pending","initContainerStatuses":[{"name":"i","restartCount":2,)"
     R"("state":{"running":{}}}],"containerStatuses":[{"name":"a",)"
     R"("restartCount":9,"state":{"waiting":{"reason":"PodInitializing"}}}])",
     "Init:0/2", "0/2", 2},
    {"an init container waits", "", kWithInit,
     R"("phase":"Pending","initContainerStatuses":[{"name":"i","state":{)"
     R"("waiting":{"reason":"ImagePullBackOff"}}}])",
     "Init:ImagePullBackOff", "0/2", 0},
    {"an init container that waits for its turn", "", kWithInit,
     R"("phase":"Pending","initContainerStatuses":[{"name":"i","state":{)"
     R"("waiting":{"reason":"PodInitializing"}}}])",
     "Init:0/2", "0/2", 0},
    {"an init container failed", "", kWithInit,
     R"("phase":"Pending","initContainerStatuses":[{"name":"i","state":{)"
     R"("terminated":{"exitCode":1}}}])",
     "Init:ExitCode:1", "0/2", 0},
    {"an init container failed for a reason", "", kWithInit,
     R"("phase":"Pending","initContainerStatuses":[{"name":"i","state":{)"
     R"("terminated":{"exitCode":1,"reason":"Error"}}}])",
     "Init:Error", "0/2", 0},
    {"a sidecar counts as ready and its restarts count", "", kWithInit,
     R"("phase":"Running","initContainerStatuses":[{"name":"i","restartCount":5,)"
     R"("state":{"terminated":{"exitCode":0}}},{"name":"s","restartCount":1,)"
     R"("started":true,"ready":true,"state":{"running":{}}}],)"
     R"("containerStatuses":[{"name":"a","restartCount":2,"ready":true,"state":{)"
     R"("running":{}}}])",
     "Running", "2/2", 3},
    {"a sidecar that has not started holds the others up", "", kWithInit,
     R"("phase":"Pending","initContainerStatuses":[{"name":"i","state":{)"
     R"("terminated":{"exitCode":0}}},{"name":"s","started":false,"state":{)"
     R"("running":{}}}])",
     "Init:1/2", "0/2", 0},
    {"it is going away", R"(,"deletionTimestamp":"2026-11-20T09:00:00Z")", kOne,
     R"("phase":"Running","containerStatuses":[{"name":"a","ready":true,"state":{"running":{}}}])",
     "Terminating", "1/1", 0},
    {"its node is lost", R"(,"deletionTimestamp":"2026-11-20T09:00:00Z")", kOne,
     R"("phase":"Running","reason":"NodeLost")", "Unknown", "0/1", 0},
    {"what has ended does not terminate", R"(,"deletionTimestamp":"2026-11-20T09:00:00Z")", kOne,
     R"("phase":"Succeeded")", "Succeeded", "0/1", 0},
};

std::unique_ptr<Object> decode(const Case& each) {
  auto object = decode_object(pods(), std::string(R"({"metadata":{"name":"p","namespace":"n")") +
                                          each.metadata + R"(},"spec":{)" + each.spec +
                                          R"(},"status":{)" + each.status + "}}");
  EXPECT_TRUE(object.has_value()) << object.error().message;
  return object.has_value() ? *std::move(object) : nullptr;
}

TEST(PodStatus, IsShownAsTheServersPrinterShowsIt) {
  for (const Case& each : kCases) {
    const auto object = decode(each);
    ASSERT_NE(object, nullptr) << each.name;
    const PodFields& pod = *object->pod();
    EXPECT_EQ(pod.display_status, each.display) << each.name;
    EXPECT_EQ(std::to_string(pod.containers_ready) + "/" + std::to_string(pod.containers_total),
              each.ready)
        << each.name;
    EXPECT_EQ(pod.restarts, each.restarts) << each.name;
  }
}

TEST(PodStatus, AddsUpRequestsGatesAndTimes) {
  const auto object =
      decode({"", "",
              R"("readinessGates":[{"conditionType":"x"},{"conditionType":"y"}],)"
              R"("initContainers":[{"name":"i","resources":{"requests":{"cpu":"9"}}},)"
              R"({"name":"s","restartPolicy":"Always","resources":{"requests":{)"
              R"("cpu":"50m","memory":"1Mi"}}}],)"
              R"("containers":[{"name":"a","resources":{"requests":{"cpu":"0.1",)"
              R"("memory":"1k"}}},{"name":"b"}])",
              R"("conditions":[{"type":"x","status":"True"},{"type":"Ready",)"
              R"("status":"True","lastTransitionTime":"2026-11-20T09:00:00Z"}],)"
              R"("containerStatuses":[{"name":"a","lastState":{"terminated":{)"
              R"("finishedAt":"2026-11-20T08:00:00Z"}},)"
              R"("state":{"terminated":{"exitCode":0,"finishedAt":"2026-11-20T08:30:00Z"}}}])",
              "", "", 0});
  const PodFields& pod = *object->pod();
  EXPECT_EQ(pod.cpu_millis, 150);
  EXPECT_EQ(pod.memory_bytes, (1 << 20) + 1000);
  EXPECT_EQ(pod.readiness_gates_true, 1U);
  EXPECT_EQ(pod.readiness_gates_total, 2U);
  EXPECT_TRUE(pod.ready_condition);
  EXPECT_EQ(format_time(pod.ready_transition), "2026-11-20T09:00:00Z");
  EXPECT_EQ(format_time(pod.last_restart), "2026-11-20T08:00:00Z");
  EXPECT_EQ(format_time(pod.finished), "2026-11-20T08:30:00Z");
}

}  // namespace
}  // namespace podkeeper::kube
