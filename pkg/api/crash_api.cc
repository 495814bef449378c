#include "pkg/api/crash_api.h"

#include "pkg/recovery/crash_report.h"
#include "pkg/recovery/panic_report.h"

#include <nlohmann/json.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>

namespace podkeeper::api {
namespace {

using nlohmann::ordered_json;

std::string hex(std::uint64_t value) {
  std::array<char, 2 + 16 + 1> text{};
  std::snprintf(text.data(), text.size(), "0x%llx", static_cast<unsigned long long>(value));
  return text.data();
}

ordered_json registers_json(const recovery::CrashReport& report) {
  ordered_json registers = ordered_json::object();
  for (std::size_t i = 0; i < recovery::CrashReport::kRegisters; ++i) {
    const char* const name = recovery::register_names()[i];
    if (name != nullptr) registers[name] = hex(report.registers[i]);
  }
  return registers;
}

ordered_json crash_json(const runtime::Crash& crash) {
  const auto ran_for = std::chrono::duration_cast<std::chrono::milliseconds>(crash.ran_for);
  ordered_json json = {{"signal", recovery::signal_name(crash.signal)},
                       {"ranForMs", ran_for.count()}};
  if (!crash.report) return json;
  const recovery::CrashReport& report = *crash.report;
  json["ts"] = report.when_ms;
  json["code"] = report.code;
  json["address"] = hex(report.address);
  json["reason"] = report.reason.data();
  json["thread"] = {{"id", report.thread}, {"name", report.thread_name.data()}};
  json["task"] = {{"id", report.task_id}, {"name", report.task_name.data()}};
  json["registers"] = registers_json(report);
  json["stack"] = recovery::symbolize(report.stack());
  return json;
}

}  // namespace

void add_crashes_route(http::Router& router, const runtime::Supervision& supervision) {
  router.exact("/debug/crashes", [&supervision](http::Request) -> base::Task<http::Response> {
    ordered_json list = ordered_json::array();
    for (const auto& crash : supervision.crashes()) list.push_back(crash_json(crash));
    const ordered_json all = {{"restarts", supervision.restarts()},
                              {"crashLoop", supervision.crash_loop()},
                              {"crashes", std::move(list)}};
    co_return http::Response::json(
        200, all.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n");
  });
}

}  // namespace podkeeper::api
