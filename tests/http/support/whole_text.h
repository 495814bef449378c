#pragma once

#include "pkg/http/message.h"

#include <string>
#include <variant>

namespace podkeeper::http {

/// The body of an answer that is no stream.
inline std::string whole_text(const Response& response) {
  if (const auto* text = std::get_if<std::string>(&response.body)) return *text;
  auto gathered = std::get<GatheredBody>(response.body);
  std::string whole;
  do {
    for (const auto piece : gathered.pieces) whole += piece;
  } while (gathered.next());
  return whole;
}

}  // namespace podkeeper::http
