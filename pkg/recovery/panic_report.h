#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/panic.h"
#include "pkg/base/task_context.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace podkeeper::recovery {

/// The forensic record of one recovered panic. Immutable once handed to sinks.
struct PanicReport {
  static constexpr std::size_t kMessageBytesMax =
      4096;  ///< longer messages are cut, with "..." behind

  std::uint64_t id = 0;  ///< counts from 1 in this process
  base::WallTime when{};
  base::Handler handler = base::Handler::kThread;
  base::PanicKind kind = base::PanicKind::kException;
  std::string type;          ///< demangled type of the exception
  std::string message;       ///< what(), or the value of a thrown int or string
  std::string where;         ///< "file:line" of a failed PK_CHECK; else empty, see `stack`
  std::vector<void*> stack;  ///< return addresses at the throw site, innermost first
  std::uint64_t task_id = 0;
  std::string task_name;
  std::string task_created_by;  ///< "file:line"
  base::TraceContext trace;
  std::vector<std::string> active_traces;  ///< trace ids seen in the last 3 s
  base::RequestFeatures request;
  std::vector<base::MisuseParty> parties =
      {};  ///< of a base::Misuse: who noticed, then whom it met
  /// What the map room kept about this task's operations, one line each; see set_map_audit().
  std::vector<std::string> map_audit = {};
  static constexpr std::size_t kMapAuditLinesMax = 32;
  static constexpr std::size_t kMapAuditLineBytesMax = 512;  ///< longer ones are cut, "..." behind
};

/// Resolves return addresses to "function at file:line, inlined into function at file:line", or
/// "function in library", or the address, where less is known: one text a frame, in order. Slow
/// (about 0.1 s the first time): call it when a report is read, never where a panic is recovered.
/// Thread-safe.
std::vector<std::string> symbolize(const std::vector<void*>& stack);

/// Called for every recovered panic, on the thread where it was recovered. Must not throw or block;
/// what it throws all the same is dropped, and the other sinks are still called.
using PanicSink = std::function<void(const PanicReport&)>;

/// Asked once for each recovered panic, on its thread and while its exception is being handled, for
/// the lines of PanicReport::map_audit. Must not block; what it throws is dropped, and the report
/// goes without.
using MapAudit = std::function<std::vector<std::string>(const PanicReport&)>;

/// The process's recorder: a ring of the last reports, and the sinks that the daemon connects.
/// Thread-safe.
class PanicRecorder {
 public:
  static PanicRecorder& instance();

  static constexpr std::size_t kReportsMax = 64;  ///< older ones are dropped
  static constexpr std::size_t kSinksMax = 8;     ///< one more is a failed PK_CHECK
  static constexpr std::size_t kTracesMax =
      256;  ///< notes kept for active_traces; older ones are dropped
  static constexpr std::size_t kActiveTracesMax =
      32;  ///< distinct trace ids in one report, the newest
  static constexpr base::Duration kTraceActive = std::chrono::seconds(3);

  /// Gives times to reports and ages to traces; without a clock (null) reports carry the epoch's
  /// start and every noted trace counts as active. The clock outlives its use.
  void set_clock(base::Clock* clock);
  /// Returns a number for remove_sink().
  std::uint64_t add_sink(PanicSink sink);
  /// When it returns, the sink does not run and never will again. Not from inside a sink.
  void remove_sink(std::uint64_t id);

  /// Who tells what the maps remember; null: nobody. When it returns, the one before does not run
  /// and never will again. Not from inside a sink.
  void set_map_audit(MapAudit audit);

  /// Gives the report its id (returned), time, active traces and map audit, keeps it and hands it
  /// to the sinks.
  std::uint64_t record(PanicReport report) noexcept;
  /// Notes that a request with this trace is being handled, for `active_traces`. About 30 ns.
  void note_trace(const base::TraceContext& trace) noexcept;

  [[nodiscard]] std::vector<PanicReport> last() const;  ///< newest first
  [[nodiscard]] std::uint64_t total()
      const noexcept;  ///< since the process started, dropped ones included

 private:
  PanicRecorder();
  ~PanicRecorder() = delete;  // leaked on purpose: panics may come during static destruction
  struct State;
  State* state_;
};

}  // namespace podkeeper::recovery
