#pragma once

#include <cstddef>
#include <vector>

namespace podkeeper::recovery::detail {

/// Frames of a throw site that are kept; deeper ones are cut at the outer end.
inline constexpr std::size_t kThrowFramesMax = 48;
/// Exceptions whose throw sites are remembered at a time, over all threads; the oldest of a bucket
/// gives way.
inline constexpr std::size_t kThrowTracesMax = 1024;

/// The stack at the place where this exception object was first thrown: return addresses, innermost
/// first. A rethrow keeps it, also on another thread. Empty when the object was not thrown by a
/// throw expression (make_exception_ptr), or long ago.
///
/// How: this room defines __cxa_throw and __cxa_allocate_exception, so every throw of the program,
/// those inside libstdc++ too, passes here first (design: interposition with dlsym(RTLD_NEXT)).
/// Frames are walked by frame pointers, which all our code keeps; a throw from code without them is
/// walked by the unwinder.
std::vector<void*> throw_trace(const void* exception_object);

}  // namespace podkeeper::recovery::detail
