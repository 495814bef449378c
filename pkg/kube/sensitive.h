#pragma once

#include <span>
#include <string_view>

namespace podkeeper::kube {

/// Resources whose objects hold credentials, as "plural.group", a closed list:
///  * secrets;
///  * what OpenShift encrypts in etcd beside secrets and config maps because it holds keys and
///    tokens (oauthaccesstokens, oauthauthorizetokens, routes; docs.openshift.com, "Encrypting etcd
///    data"), and its oauthclients, which hold client secrets;
///  * Rancher's tokens (tokens.management.cattle.io);
///  * what Dex keeps in its Kubernetes storage: signing keys, codes, refresh tokens, password
///    hashes, client secrets (dexidp.io, "Storage").
/// Not in it: config maps, and custom resources that only refer to secrets (ExternalSecret) or hold
/// them encrypted (SealedSecret).
std::span<const std::string_view> sensitive_resources() noexcept;
bool is_sensitive(std::string_view plural_group) noexcept;

}  // namespace podkeeper::kube
