#pragma once

/// What a function gives points into this argument (behind a member function's signature: into the
/// object), so clang refuses to keep it longer than a temporary or a local that was the argument
/// (-Wdangling, -Wreturn-stack-address, both errors here). Other compilers see nothing.
#if defined(__clang__)
#define PK_LIFETIME_BOUND [[clang::lifetimebound]]
#else
#define PK_LIFETIME_BOUND
#endif
