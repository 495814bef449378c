#include "pkg/base/net.h"
#include "pkg/settings/settings.h"

#include <algorithm>
#include <chrono>
#include <string>

namespace podkeeper::settings {
namespace {

using base::Error;
using base::ErrorCode;
using base::Result;

Error refuse(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

Result<void> check_upstream(const Settings& settings) {
  const std::string other = !settings.kubeconfig.empty() ? "--kubeconfig=" + settings.kubeconfig
                            : !settings.context.empty()  ? "--context=" + settings.context
                                                         : "";
  const auto exclude = [](std::string_view one, const std::string& another) {
    return refuse(std::string(one) + " and " + another + " exclude each other; give one of them");
  };
  if (settings.standalone) {
    if (!settings.apiserver.empty()) {
      return exclude("--standalone", "--apiserver=" + settings.apiserver);
    }
    if (!other.empty()) return exclude("--standalone", other);
    return {};
  }
  if (settings.apiserver.empty()) return {};
  if (!other.empty()) return exclude("--apiserver=" + settings.apiserver, other);
  if (auto endpoint = parse_apiserver(settings.apiserver); !endpoint) return endpoint.error();
  return {};
}

Result<void> check_sim(const Settings& settings) {
  if (!settings.standalone) return {};
  const auto endpoint = base::parse_endpoint(settings.sim_bind_address);
  if (endpoint && is_loopback(endpoint->host)) return {};
  return refuse("--sim-bind-address=" + settings.sim_bind_address +
                " is refused, since the embedded cluster lets everybody write; use a loopback "
                "address such as 127.0.0.1:8082");
}

Result<void> check_auth(const Settings& settings) {
  if (settings.api_bind_address == "0") return {};
  if (settings.auth_mode == AuthMode::kDelegated) {
    return refuse(
        "--auth-mode=Delegated is not available in this version; use --auth-mode=None with an "
        "--api-bind-address on loopback, for example 127.0.0.1:8080");
  }
  const auto endpoint = base::parse_endpoint(settings.api_bind_address);
  if (endpoint && !is_loopback(endpoint->host)) {
    return refuse(
        "--auth-mode=None lets everybody read, so --api-bind-address=" + settings.api_bind_address +
        " is refused; use a loopback address such as 127.0.0.1:8080");
  }
  return {};
}

/// client-go's rules (tools/leaderelection, NewLeaderElector), and that a Lease counts seconds.
Result<void> check_leader_election(const Settings& settings) {
  if (!settings.leader_elect) return {};
  constexpr double kJitterFactor = 1.2;
  const auto lease = settings.leader_elect_lease_duration;
  const auto renew = settings.leader_elect_renew_deadline;
  const auto retry = settings.leader_elect_retry_period;
  if (lease <= renew) {
    return refuse(
        "--leader-elect-lease-duration must be greater than --leader-elect-renew-deadline, so that "
        "a leader has ended before another begins; use 15s and 10s");
  }
  if (lease % std::chrono::seconds(1) != base::Duration::zero()) {
    return refuse(
        "--leader-elect-lease-duration must be whole seconds, as a Lease has it; use 15s");
  }
  if (retry <= base::Duration::zero() ||
      renew <= std::chrono::duration<double, std::nano>(retry) * kJitterFactor) {
    return refuse(
        "--leader-elect-renew-deadline must be greater than --leader-elect-retry-period * 1.2, and "
        "that greater than zero; use 10s and 2s");
  }
  if (settings.leader_elect_resource_name.empty()) {
    return refuse("--leader-elect-resource-name is empty; use podkeeper");
  }
  return {};
}

Result<void> check_clean_up(const Settings& settings) {
  if (settings.clean_up_terminal_pods == CleanUp::kDisabled) return {};
  if (settings.terminal_pod_ttl >= std::chrono::seconds(1)) return {};
  return refuse(
      "--clean-up-terminal-pods needs --terminal-pod-ttl, which says how long finished pods are "
      "kept; give at least 1s, for example 24h");
}

}  // namespace

Settings standalone_defaults() {
  Settings settings;
  settings.auth_mode = AuthMode::kNone;
  settings.api_bind_address = "127.0.0.1:8080";
  settings.health_probe_bind_address = "127.0.0.1:8081";
  settings.metrics_bind_address = "0";
  return settings;
}

Result<base::Endpoint> parse_apiserver(std::string_view url) {
  const auto wrong = [whole = std::string(url)](std::string_view why) {
    return refuse("--apiserver=" + whole + ": " + std::string(why));
  };
  if (url.starts_with("https://")) {
    return wrong(
        "TLS needs to know whom to trust and who you are; give --kubeconfig, which says all three");
  }
  if (!url.starts_with("http://")) return wrong("the URL begins with http://");
  url.remove_prefix(7);
  if (url.ends_with('/')) url.remove_suffix(1);
  if (url.find('/') != std::string_view::npos)
    return wrong("a path is not supported; give http://HOST:PORT");
  auto endpoint = base::parse_endpoint(url);
  if (!endpoint) return wrong(endpoint.error().message);
  if (url.starts_with(':') || endpoint->port == 0) return wrong("the host or the port is missing");
  return endpoint;
}

Result<void> check(const Settings& settings) {
  if (auto ok = check_upstream(settings); !ok) return ok;
  if (auto ok = check_sim(settings); !ok) return ok;
  if (auto ok = check_auth(settings); !ok) return ok;
  if (auto ok = check_leader_election(settings); !ok) return ok;
  if (auto ok = check_clean_up(settings); !ok) return ok;
  for (const char* needed : {"pods", "nodes"}) {
    if (std::ranges::find(settings.resources, needed) == settings.resources.end()) {
      return refuse("--resources lacks " + std::string(needed) +
                    ", which /state is derived from; add it to the list");
    }
  }
  if (settings.watch_idle_timeout < std::chrono::seconds(1)) {
    return refuse(
        "--watch-idle-timeout is below 1s, which would cut every quiet watch; the API server sends "
        "a "
        "bookmark about once a minute, so use 90s");
  }
  if (settings.audit_interval != base::Duration{} &&
      settings.audit_interval < std::chrono::seconds(1)) {
    return refuse(
        "--audit-interval is below 1s, though each audit lists everything; use 60s, or 0 "
        "for none");
  }
  if (settings.request_timeout < std::chrono::seconds(1)) {
    return refuse("--request-timeout is below 1s; use 60s");
  }
  if (settings.watchdog_timeout != base::Duration{} &&
      settings.watchdog_timeout < std::chrono::milliseconds(100)) {
    return refuse("--watchdog-timeout is below 100ms, which work may well take; use 10s, or 0");
  }
  return {};
}

}  // namespace podkeeper::settings
