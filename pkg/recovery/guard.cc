#include "pkg/recovery/guard.h"

#include "pkg/base/panic.h"
#include "pkg/base/result.h"
#include "pkg/base/task_context.h"
#include "pkg/recovery/panic_report.h"
#include "pkg/recovery/throw_trace.h"

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <cxxabi.h>
#include <exception>
#include <memory>
#include <source_location>
#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>

namespace podkeeper::recovery {

ErrorClass classify(const base::Error& error) noexcept {
  if (error.code == base::ErrorCode::kInternal) return ErrorClass::kPanic;
  return error.retryable() ? ErrorClass::kTransient : ErrorClass::kDomain;
}

namespace detail {
namespace {

std::string bounded(std::string_view text) {
  if (text.size() <= PanicReport::kMessageBytesMax) return std::string(text);
  return std::string(text.substr(0, PanicReport::kMessageBytesMax)) + "...";
}

std::string bounded(const char* text) {
  return text == nullptr ? "(null)" : bounded(std::string_view(text));
}

std::string demangled(const std::type_info* type) {
  if (type == nullptr) return "(foreign exception)";
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> name(
      abi::__cxa_demangle(type->name(), nullptr, nullptr, &status), &std::free);
  return bounded(status == 0 ? name.get() : type->name());
}

std::string at(const std::source_location& where) {
  return std::string(where.file_name()) + ":" + std::to_string(where.line());
}

/// Fills kind, type, message, place and stack from the exception being handled, whatever its type.
/// False when it is the task being asked to stop, which is no panic.
bool describe_exception(PanicReport& report) {
  try {
    throw;
  } catch (const base::Misuse& e) {
    report.kind = e.kind();
    report.message = bounded(e.what());
    report.where = at(e.where());
    report.parties = e.parties();
  } catch (const base::Panic& e) {
    report.kind = e.kind();
    report.message = bounded(e.what());
    report.where = at(e.where());
  } catch (const boost::system::system_error& e) {
    if (e.code() == boost::asio::error::operation_aborted) return false;
    report.message = bounded(e.what());
  } catch (const std::exception& e) {
    report.message = bounded(e.what());
  } catch (const std::string& e) {
    report.message = bounded(e);
  } catch (const char* e) {
    report.message = bounded(e);
  } catch (bool e) {
    report.message = e ? "true" : "false";
  } catch (int e) {
    report.message = std::to_string(e);
  } catch (unsigned e) {
    report.message = std::to_string(e);
  } catch (long e) {
    report.message = std::to_string(e);
  } catch (unsigned long e) {
    report.message = std::to_string(e);
  } catch (double e) {
    report.message = std::to_string(e);
  } catch (const boost::system::error_code& e) {
    report.message = bounded(e.message());
  } catch (...) {
    report.message = "(a value that is not a std::exception, a string or a number)";
  }
  report.type = demangled(abi::__cxa_current_exception_type());
  // libstdc++'s exception_ptr is the address of the exception object.
  const std::exception_ptr exception = std::current_exception();
  const void* object = nullptr;
  static_assert(sizeof exception == sizeof object);
  std::memcpy(&object, static_cast<const void*>(&exception), sizeof object);
  report.stack = throw_trace(object);
  return true;
}

void describe_task(PanicReport& report) {
  const base::TaskContext* task = base::current_task();
  if (task == nullptr) return;
  report.task_id = task->id;
  report.task_name = task->name;
  report.task_created_by = at(task->created_by);
  report.trace = task->trace();
  report.request = task->request();
}

}  // namespace

base::Error record_current_exception(base::Handler handler) noexcept {
  try {
    PanicReport report;
    report.handler = handler;
    if (!describe_exception(report)) return {base::ErrorCode::kCancelled, "cancelled"};
    describe_task(report);
    const std::uint64_t id = PanicRecorder::instance().record(std::move(report));
    return {base::ErrorCode::kInternal,
            "internal error, panic " + std::to_string(id) + " in handler " + to_string(handler)};
  } catch (...) {
    // Only memory can be short here. The panic still counts; the text fits a string without
    // allocation.
    PanicReport report;
    report.handler = handler;
    PanicRecorder::instance().record(std::move(report));
    return {base::ErrorCode::kInternal, "internal error"};
  }
}

}  // namespace detail
}  // namespace podkeeper::recovery
