#pragma once

/// Clang's thread-safety analysis, under names of our own; empty for other compilers.
#if defined(__clang__)
#define PK_ATTRIBUTE(x) __attribute__((x))
#else
#define PK_ATTRIBUTE(x)
#endif

#define PK_CAPABILITY(name) PK_ATTRIBUTE(capability(name))
#define PK_SCOPED_CAPABILITY PK_ATTRIBUTE(scoped_lockable)
#define PK_GUARDED_BY(mutex) PK_ATTRIBUTE(guarded_by(mutex))
#define PK_PT_GUARDED_BY(mutex) PK_ATTRIBUTE(pt_guarded_by(mutex))
#define PK_REQUIRES(...) PK_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define PK_REQUIRES_SHARED(...) PK_ATTRIBUTE(requires_shared_capability(__VA_ARGS__))
#define PK_EXCLUDES(...) PK_ATTRIBUTE(locks_excluded(__VA_ARGS__))
#define PK_ACQUIRE(...) PK_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define PK_ACQUIRE_SHARED(...) PK_ATTRIBUTE(acquire_shared_capability(__VA_ARGS__))
#define PK_RELEASE(...) PK_ATTRIBUTE(release_capability(__VA_ARGS__))
#define PK_RELEASE_SHARED(...) PK_ATTRIBUTE(release_shared_capability(__VA_ARGS__))
#define PK_TRY_ACQUIRE(...) PK_ATTRIBUTE(try_acquire_capability(__VA_ARGS__))
#define PK_TRY_ACQUIRE_SHARED(...) PK_ATTRIBUTE(try_acquire_shared_capability(__VA_ARGS__))
#define PK_NO_THREAD_SAFETY_ANALYSIS PK_ATTRIBUTE(no_thread_safety_analysis)
