#include "pkg/http/server.h"

#include <utility>

namespace podkeeper::http {
namespace {

bool below(std::string_view path, std::string_view prefix) noexcept {
  if (prefix == "/") return true;
  return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

}  // namespace

void Router::exact(std::string path, Handler handler) {
  routes_.push_back(Route{std::move(path), false, std::move(handler), {}});
}

void Router::prefix(std::string prefix, Handler handler, ErrorRenderer errors) {
  routes_.push_back(Route{std::move(prefix), true, std::move(handler), std::move(errors)});
}

const Handler* Router::find(const Target& target) const noexcept {
  const Route* best = nullptr;
  for (const Route& route : routes_) {
    if (!route.is_prefix) {
      if (target.path == route.path) return &route.handler;
    } else if (below(target.path, route.path) &&
               (best == nullptr || route.path.size() > best->path.size())) {
      best = &route;
    }
  }
  return best == nullptr ? nullptr : &best->handler;
}

const ErrorRenderer* Router::errors(std::string_view path) const noexcept {
  const Route* best = nullptr;
  for (const Route& route : routes_) {
    if (route.is_prefix && route.errors && below(path, route.path) &&
        (best == nullptr || route.path.size() > best->path.size())) {
      best = &route;
    }
  }
  return best == nullptr ? nullptr : &best->errors;
}

}  // namespace podkeeper::http
