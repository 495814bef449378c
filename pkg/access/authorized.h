#pragma once

#include "pkg/base/result.h"

#include <string>
#include <string_view>
#include <utility>

namespace podkeeper::access {

/// What a read touches: one resource, in one namespace or in all of them.
struct ReadScope {
  std::string plural_group;  ///< "pods"
  std::string namespace_;    ///< empty: all, or the resource is cluster-scoped
};

/// Proof that somebody who may decide allowed reads of `Scope`. Every read of state takes one by
/// value, and only an Authorizer can make one, so no path to the mirror can forget to ask.
template <class Scope>
class Authorized {
 public:
  [[nodiscard]] const Scope& scope() const noexcept { return scope_; }

 private:
  friend class Authorizer;
  explicit Authorized(Scope scope) : scope_(std::move(scope)) {}
  Scope scope_;
};
using AuthorizedRead = Authorized<ReadScope>;

/// Decides who may read what.
class Authorizer {
 public:
  virtual ~Authorizer() = default;
  /// kForbidden or kUnauthorized with Kubernetes' wording. `user` is empty for nobody in
  /// particular.
  [[nodiscard]] virtual base::Result<AuthorizedRead> read(std::string_view user,
                                                          ReadScope scope) = 0;

 protected:
  /// Makes the proof; only deciders call it.
  static AuthorizedRead issue(ReadScope scope) { return AuthorizedRead(std::move(scope)); }
};

/// --auth-mode=None: everybody on a loopback address may read everything. The daemon refuses to
/// make one for any other address.
class LoopbackAuthorizer final : public Authorizer {
 public:
  base::Result<AuthorizedRead> read(std::string_view user, ReadScope scope) override;
};

/// True for 127.0.0.0/8, ::1 and "localhost".
bool is_loopback(std::string_view host) noexcept;

}  // namespace podkeeper::access
