#include "pkg/api/process_api.h"

#include <nlohmann/json.hpp>

#include <utility>

namespace podkeeper::api {
namespace {

using base::Task;
using http::Request;
using http::Response;

constexpr std::string_view kWarning =
    "Warning: This endpoint is not meant to be machine parseable, has no formatting compatibility "
    "guarantees and is for debugging purposes only.\n";

/// Serves a body that is made by a plain function, to GET alone.
http::Handler page(std::function<Response(const Request&)> make) {
  return [make = std::move(make)](Request request) -> Task<Response> {
    if (request.method != "GET") {
      auto refusal = Response::text(405, "405 method not allowed\n");
      refusal.headers.add("Allow", "GET");
      co_return refusal;
    }
    auto response = make(request);
    response.verb = http::Verb::kGet;
    co_return response;
  };
}

bool accepts_gzip(const Request& request) {
  const auto accepted = request.headers.get("Accept-Encoding");
  return accepted && accepted->find("gzip") != std::string_view::npos &&
         accepted->find("gzip;q=0") == std::string_view::npos;
}

nlohmann::ordered_json config_json(const settings::Settings& settings) {
  nlohmann::ordered_json config;
  for (const auto& info : settings::all_settings()) {
    config[settings::config_key(info.name)] = info.get(settings);
  }
  return {{"podkeeper", std::move(config)}};
}

std::string flag_lines(const settings::Settings& settings) {
  std::string text;
  for (const auto& info : settings::all_settings()) {
    text += std::string(info.name) + "=" + info.get(settings) + "\n";
  }
  return text;
}

}  // namespace

const BuildInfo& build_info() {
#ifdef __clang__
  static const BuildInfo info{PK_VERSION, PK_COMMIT, "clang " __clang_version__};
#else
  static const BuildInfo info{PK_VERSION, PK_COMMIT, "gcc " __VERSION__};
#endif
  return info;
}

void add_metrics_route(http::Router& router, telemetry::Metrics& metrics) {
  router.exact("/metrics", page([&metrics](const Request& request) {
                 Response response;
                 response.content_type = "text/plain; version=0.0.4; charset=utf-8";
                 response.headers.add("Vary", "Accept-Encoding");
                 if (accepts_gzip(request)) {
                   response.headers.add("Content-Encoding", "gzip");
                   response.body = metrics.render_gzip();
                 } else {
                   response.body = metrics.render();
                 }
                 return response;
               }));
}

void add_status_routes(http::Router& router, const settings::Settings& settings,
                       base::Clock& clock) {
  const auto started = clock.now();
  router.exact(
      "/statusz", page([started, &clock](const Request&) {
        const auto up = std::chrono::duration_cast<std::chrono::seconds>(clock.now() - started);
        const BuildInfo& build = build_info();
        return Response::text(
            200, "\npodkeeperd statusz\n" + std::string(kWarning) +
                     "\nUp: " + std::to_string(up.count()) + " s\nVersion: " + build.version +
                     "\nCommit: " + build.commit + "\nCompiler: " + build.compiler + "\n");
      }));
  router.exact("/flagz", page([text = flag_lines(settings)](const Request&) {
                 return Response::text(
                     200, "\npodkeeperd flagz\n" + std::string(kWarning) + "\n" + text);
               }));
  router.exact("/configz", page([text = config_json(settings).dump() + "\n"](const Request&) {
                 return Response::json(200, text);
               }));
}

}  // namespace podkeeper::api
