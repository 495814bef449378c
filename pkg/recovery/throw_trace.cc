#include "pkg/recovery/throw_trace.h"

#include "pkg/base/mutex.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <dlfcn.h>
#include <pthread.h>
#include <unwind.h>

#if defined(__SANITIZE_ADDRESS__)
#define PK_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PK_ASAN 1
#endif
#endif
#ifdef PK_ASAN
#include <sanitizer/asan_interface.h>
#endif

// First and last byte of this executable's code, set by the linker.
extern "C" const char __executable_start;
extern "C" const char etext;

namespace podkeeper::recovery::detail {
namespace {

struct Trace {
  const void* object = nullptr;  ///< null: the slot is free
  std::uint64_t age = 0;         ///< the bucket's count of throws when it was taken
  std::size_t depth = 0;
  std::array<void*, kThrowFramesMax> frames{};
};

/// Traces by the address of their exception object: kWays slots a bucket, the oldest gives way.
constexpr std::size_t kWays = 4;
constexpr std::size_t kBuckets = kThrowTracesMax / kWays;

struct Bucket {
  base::Mutex mutex;
  std::uint64_t throws PK_GUARDED_BY(mutex) = 0;
  std::array<Trace, kWays> traces PK_GUARDED_BY(mutex);
};

/// Needs no constructor to run, since exceptions are thrown during static initialization too.
constinit std::array<Bucket, kBuckets> g_buckets;

Bucket& bucket_of(const void* object) {
  const auto mixed = (reinterpret_cast<std::uintptr_t>(object) >> 4) * 0x9e3779b97f4a7c15ULL;
  return g_buckets[(mixed >> 32) % kBuckets];
}

/// Exception objects are allocated again at the same address: what stood there is another
/// exception's.
void forget(const void* object) noexcept {
  Bucket& bucket = bucket_of(object);
  base::Lock lock(bucket.mutex);
  for (Trace& trace : bucket.traces) {
    if (trace.object == object) trace.object = nullptr;
  }
}

void remember(const void* object, void* const* frames, std::size_t depth) noexcept {
  Bucket& bucket = bucket_of(object);
  base::Lock lock(bucket.mutex);
  Trace* slot = &bucket.traces[0];
  for (Trace& trace : bucket.traces) {
    if (trace.object == nullptr || trace.object == object) {
      slot = &trace;
      break;
    }
    if (trace.age < slot->age) slot = &trace;
  }
  slot->object = object;
  slot->age = ++bucket.throws;
  slot->depth = depth;
  std::copy_n(frames, depth, slot->frames.begin());
}

/// One past the highest address of this thread's stack; 0 when the system does not tell.
std::uintptr_t read_stack_end() noexcept {
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return 0;
  void* base = nullptr;
  std::size_t size = 0;
  const int failed = pthread_attr_getstack(&attributes, &base, &size);
  pthread_attr_destroy(&attributes);
  return failed != 0 ? 0 : reinterpret_cast<std::uintptr_t>(base) + size;
}

std::uintptr_t stack_end() noexcept {
  thread_local const std::uintptr_t end = read_stack_end();
  return end;
}

bool in_this_executable(const void* address) noexcept {
  return address >= static_cast<const void*>(&__executable_start) &&
         address < static_cast<const void*>(&etext);
}

/// A frame as the compiler lays it down with -fno-omit-frame-pointer.
struct Frame {
  const Frame* caller;
  void* return_address;
};

/// Follows the frame pointers from `frame` outwards, until the first frame outside our code, which
/// need not keep them. Never reads outside this thread's live stack: a frame must lie above the one
/// before it and below the stack's end.
__attribute__((no_sanitize("address", "thread", "undefined"))) std::size_t walk_frames(
    const Frame* frame, void** into) noexcept {
  const std::uintptr_t end = stack_end();
  std::size_t depth = 0;
  auto at = reinterpret_cast<std::uintptr_t>(frame);
  while (depth < kThrowFramesMax && at % alignof(Frame) == 0 && at + sizeof(Frame) <= end) {
    if (frame->return_address == nullptr) break;
    into[depth++] = frame->return_address;
    const auto next = reinterpret_cast<std::uintptr_t>(frame->caller);
    if (next <= at || !in_this_executable(frame->return_address)) break;
    frame = frame->caller;
    at = next;
  }
  return depth;
}

struct UnwoundFrames {
  void** into;
  std::size_t depth;
  std::size_t skip;
};

_Unwind_Reason_Code take_unwound(_Unwind_Context* context, void* data) {
  auto& frames = *static_cast<UnwoundFrames*>(data);
  if (frames.skip > 0) {
    --frames.skip;
    return _URC_NO_REASON;
  }
  const auto address = _Unwind_GetIP(context);
  if (address == 0 || frames.depth == kThrowFramesMax) return _URC_END_OF_STACK;
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the unwinder gives addresses as integers.
  frames.into[frames.depth++] = reinterpret_cast<void*>(address);
  return _URC_NO_REASON;
}

/// Takes the stack of __cxa_throw's caller. Inlined, so that __cxa_throw is the innermost frame of
/// both walks.
[[gnu::always_inline]] inline void capture(const void* object, const Frame* frame) noexcept {
  std::array<void*, kThrowFramesMax> frames;
  std::size_t depth = 0;
  if (in_this_executable(frame->return_address)) {
    depth = walk_frames(frame, frames.data());
  } else {
    UnwoundFrames unwound{frames.data(), 0, 1};
    _Unwind_Backtrace(&take_unwound, &unwound);
    depth = unwound.depth;
  }
  remember(object, frames.data(), depth);
}

/// The runtime's own function behind one of ours. A program without it cannot throw at all, so it
/// ends.
template <class F>
F* next(const char* name) noexcept {
  void* found = dlsym(RTLD_NEXT, name);
  if (found == nullptr) std::abort();
  return reinterpret_cast<F*>(found);
}

}  // namespace

std::vector<void*> throw_trace(const void* exception_object) {
  std::array<void*, kThrowFramesMax> frames;
  std::size_t depth = 0;
  Bucket& bucket = bucket_of(exception_object);
  {
    base::Lock lock(bucket.mutex);
    for (const Trace& trace : bucket.traces) {
      if (trace.object != exception_object) continue;
      depth = trace.depth;
      std::copy_n(trace.frames.begin(), depth, frames.begin());
    }
  }
  // Not in braces: those would make a list of the two iterators, which are pointers themselves.
  return std::vector<void*>(frames.data(), frames.data() + depth);
}

}  // namespace podkeeper::recovery::detail

// The Itanium C++ ABI's entry points, with the runtime's own behind them. Declared as g++ knows
// them by itself, and without [[noreturn]]: <cxxabi.h>, which has the attribute, is not included
// here.
extern "C" {

void* __cxa_allocate_exception(std::size_t size) noexcept {
  namespace detail = podkeeper::recovery::detail;
  static auto* const real = detail::next<void*(std::size_t)>("__cxa_allocate_exception");
  void* object = real(size);
  detail::forget(object);
  return object;
}

void __cxa_throw(void* object, void* type, void (*destroy)(void*)) {
  namespace detail = podkeeper::recovery::detail;
  static auto* const real = detail::next<void(void*, void*, void (*)(void*))>("__cxa_throw");
  detail::capture(object, static_cast<const detail::Frame*>(__builtin_frame_address(0)));
#ifdef PK_ASAN
  __asan_handle_no_return();  // what the sanitizer's own __cxa_throw does before unwinding
#endif
  real(object, type, destroy);
  std::abort();  // never reached
}

}  // extern "C"
