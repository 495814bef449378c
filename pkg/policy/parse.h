#pragma once

#include "pkg/policy/spec.h"

#include <string_view>
#include <vector>

namespace podkeeper::policy {

/// What was read of a policy. `spec` counts only while `violations` is empty.
struct Parsed {
  static constexpr std::size_t kViolationsMax = 64;  ///< further ones are not looked for

  Identity identity;
  Spec spec;
  std::vector<Violation> violations;
};

/// Reads a ConcurrentMapPolicy from JSON, whoever wrote it: the schema and every rule of it hold
/// here again, because a cluster may serve another schema or none. A field of the wrong type, out
/// of range, unknown or given twice is a violation that names it, and so is text that is no JSON;
/// null counts as absent. Numbers are compared as written, before anything is narrowed. O(bytes)
/// time, a bounded part of it memory; nesting does not use the stack. Not while this thread reads
/// another JSON text (see kube::JsonReading).
Parsed parse(std::string_view json);

/// The rules that concern more than one field, of a spec that was read well; parse() includes them.
std::vector<Violation> validate(const Spec& spec);

}  // namespace podkeeper::policy
