#pragma once

// What a test must know of the sanitizer it was built with: PK_ADDRESS_SANITIZER is 1 in the preset
// asan (which has UndefinedBehaviorSanitizer too), else 0.
#ifndef __has_feature  // g++ says it with __SANITIZE_ADDRESS__
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define PK_ADDRESS_SANITIZER 1
#else
#define PK_ADDRESS_SANITIZER 0
#endif
