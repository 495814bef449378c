#include "pkg/api/debug_api.h"

#include "pkg/base/panic.h"
#include "pkg/cmap/scratch_misuse.h"
#include "pkg/recovery/deliberate_crash.h"
#include "pkg/recovery/panic_report.h"

#include <boost/asio/post.hpp>
#include <nlohmann/json.hpp>

#include <charconv>
#include <chrono>
#include <semaphore>
#include <source_location>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace podkeeper::api {
namespace {

using base::Handler;
using base::PanicKind;
using base::Task;
using http::Request;
using http::Response;
using nlohmann::ordered_json;

std::string dump(const ordered_json& json) {
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

ordered_json task_json(const base::TaskContext& task, base::MonotonicTime now) {
  const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(now - task.created);
  return {{"id", task.id},
          {"name", task.name},
          {"kind", base::to_string(task.kind)},
          {"state", base::to_string(task.state.load(std::memory_order_relaxed))},
          {"ageMs", age.count()},
          {"parent", task.parent_id},
          {"createdBy", std::string(task.created_by.file_name()) + ":" +
                            std::to_string(task.created_by.line())}};
}

ordered_json parties_json(const std::vector<base::MisuseParty>& parties) {
  ordered_json list = ordered_json::array();
  for (const auto& party : parties) {
    std::string site = party.call_site;
    if (site.empty() && party.address != nullptr) {
      site = recovery::symbolize({const_cast<void*>(party.address)}).front();
    }
    list.push_back(
        {{"doing", party.doing},
         {"task",
          {{"id", party.task_id}, {"name", party.task_name}, {"createdBy", party.created_by}}},
         {"callSite", site}});
  }
  return list;
}

ordered_json report_json(const recovery::PanicReport& report) {
  const auto when =
      std::chrono::duration_cast<std::chrono::milliseconds>(report.when.time_since_epoch());
  return {
      {"id", report.id},
      {"ts", when.count()},
      {"handler", base::to_string(report.handler)},
      {"kind", base::to_string(report.kind)},
      {"type", report.type},
      {"message", report.message},
      {"where", report.where},
      {"parties", parties_json(report.parties)},
      {"stack", recovery::symbolize(report.stack)},
      {"task",
       {{"id", report.task_id}, {"name", report.task_name}, {"createdBy", report.task_created_by}}},
      {"traceId", report.trace.valid() ? report.trace.trace_id_hex() : ""},
      {"activeTraces", report.active_traces},
      {"mapAudit", report.map_audit},
      {"request",
       {{"method", report.request.method},
        {"path", report.request.path},
        {"user", report.request.user},
        {"region", report.request.region}}}};
}

ordered_json threads_json(const std::vector<runtime::ThreadStack>& threads) {
  ordered_json list = ordered_json::array();
  for (const auto& thread : threads) {
    list.push_back({{"id", thread.id},
                    {"name", thread.name},
                    {"answered", thread.answered},
                    {"task", {{"id", thread.task_id}, {"name", thread.task_name}}},
                    {"stack", recovery::symbolize(thread.stack)}});
  }
  return list;
}

ordered_json stall_json(const runtime::Stall& stall) {
  const auto noticed =
      std::chrono::duration_cast<std::chrono::milliseconds>(stall.noticed.time_since_epoch());
  const auto lasted = std::chrono::duration_cast<std::chrono::milliseconds>(stall.for_at_least);
  return {{"ts", noticed.count()},
          {"thread", stall.thread},
          {"forAtLeastMs", lasted.count()},
          {"threads", threads_json(stall.threads)}};
}

Response refusal(int status, const std::string& message) {
  return Response::text(status, message + "\n");
}

/// The other party of a misuse: told like a task, although it never runs by itself.
base::Ref<base::TaskContext> make_writer(runtime::TaskRegistry& tasks) {
  const base::TaskContext* parent = base::current_task();
  return base::make_ref<base::TaskContext>(tasks.issue_id(), parent == nullptr ? 0 : parent->id,
                                           "debug-panic-writer", Handler::kEvent,
                                           tasks.clock().now(), std::source_location::current());
}

/// Throws as a bug of that kind would.
[[noreturn]] void panic(PanicKind kind, runtime::TaskRegistry& tasks) {
  switch (kind) {
    case PanicKind::kException:
      throw std::runtime_error("deliberate exception");
    case PanicKind::kInvariant:
      PK_CHECK(kind != PanicKind::kInvariant, "deliberate");
      break;
    case PanicKind::kMisuse:
      break;
  }
  cmap::iterate_while_written_by(make_writer(tasks));
}

Task<void> panicking_task(PanicKind kind, runtime::TaskRegistry& tasks) {
  panic(kind, tasks);
  co_return;
}

Response start(runtime::TaskGroup& group, Handler handler, PanicKind kind) {
  if (handler == Handler::kThread) {
    // Not a task: the exception leaves the function that the event loop runs and reaches the
    // thread's root.
    boost::asio::post(group.world().make_executor(),
                      [kind, &tasks = group.registry()] { panic(kind, tasks); });
  } else {
    auto started = group.spawn("debug-panic", handler, [kind, &tasks = group.registry()] {
      return panicking_task(kind, tasks);
    });
    if (!started) return refusal(http::status_of(started.error()), started.error().message);
  }
  return Response::text(
      202, "a " + std::string(base::to_string(handler)) + " handler is about to panic\n");
}

std::optional<recovery::CrashKind> parse_crash(std::string_view text) {
  for (const recovery::CrashKind kind : recovery::kCrashKinds) {
    if (text == recovery::to_string(kind)) return kind;
  }
  return std::nullopt;
}

std::optional<PanicKind> parse_kind(std::string_view text) {
  for (const PanicKind kind : base::kPanicKinds) {
    if (text == base::to_string(kind)) return kind;
  }
  return std::nullopt;
}

/// Holds this thread as a deadlock would, which is what the watchdog is for: nothing else of the
/// loop runs on it meanwhile.
Response stall(const Request& request) {
  const std::string text(request.target.query_value("seconds").value_or("15"));
  int seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc{} || end != text.data() + text.size() || seconds < 1 ||
      std::chrono::seconds(seconds) > kStallMax) {
    return refusal(400, "seconds \"" + text + "\" is no number from 1 to 60");
  }
  std::binary_semaphore never{0};
  (void)never.try_acquire_for(std::chrono::seconds(seconds));
  return Response::text(200, "stalled for " + text + " s\n");
}

Task<Response> serve_panic(runtime::TaskGroup& group, Request request) {
  if (request.method != "POST") {
    auto refused = refusal(405, "405 method not allowed; use POST");
    refused.headers.add("Allow", "POST");
    co_return refused;
  }
  const std::string handler_text(request.target.query_value("handler").value_or("http"));
  const std::string kind_text(request.target.query_value("kind").value_or("exception"));
  const auto handler = base::parse_handler(handler_text);
  if (!handler) {
    co_return refusal(400,
                      "handler \"" + handler_text +
                          "\" is unknown; use http, stream, reconcile, event, timer or thread");
  }
  if (kind_text == "stall") co_return stall(request);
  if (const auto kind = parse_crash(kind_text)) recovery::crash(*kind);
  const auto kind = parse_kind(kind_text);
  if (!kind) {
    co_return refusal(400,
                      "kind \"" + kind_text +
                          "\" is not available; use exception, invariant, misuse, stall, segv, "
                          "overflow or terminate");
  }
  if (*handler == Handler::kHttp) panic(*kind, group.registry());
  if (*handler == Handler::kStream) {
    auto response = Response::text(200, "");
    response.body = http::StreamBody([kind = *kind, &tasks = group.registry()](http::BodyWriter&) {
      return panicking_task(kind, tasks);
    });
    co_return response;
  }
  co_return start(group, *handler, *kind);
}

}  // namespace

void add_debug_routes(http::Router& router, runtime::TaskRegistry& tasks) {
  router.exact("/debug/tasks", [&tasks](Request) -> Task<Response> {
    const auto now = tasks.clock().now();
    ordered_json list = ordered_json::array();
    for (const auto& task : tasks.list()) list.push_back(task_json(*task, now));
    const std::size_t count = list.size();
    co_return Response::json(
        200, dump({{"count", count}, {"max", tasks.tasks_max()}, {"tasks", std::move(list)}}));
  });
  router.exact("/debug/panics", [](Request) -> Task<Response> {
    const auto& recorder = recovery::PanicRecorder::instance();
    ordered_json list = ordered_json::array();
    for (const auto& report : recorder.last()) list.push_back(report_json(report));
    co_return Response::json(200, dump({{"total", recorder.total()}, {"panics", std::move(list)}}));
  });
}

void add_threads_route(http::Router& router, const runtime::Watchdog& watchdog) {
  router.exact("/debug/threads", [&watchdog](Request) -> Task<Response> {
    const auto last = watchdog.last();
    co_return Response::json(
        200, dump({{"threads", threads_json(runtime::take_stacks())},
                   {"stalls", watchdog.stalls()},
                   {"lastStall", last == nullptr ? ordered_json() : stall_json(*last)}}));
  });
}

void add_panic_route(http::Router& router, runtime::TaskGroup& group) {
  router.exact("/debug/panic",
               [&group](Request request) { return serve_panic(group, std::move(request)); });
}

}  // namespace podkeeper::api
