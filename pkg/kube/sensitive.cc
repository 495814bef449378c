#include "pkg/kube/sensitive.h"

#include <algorithm>
#include <array>

namespace podkeeper::kube {
namespace {

constexpr std::array<std::string_view, 13> kSensitive = {
    "secrets",
    "oauthaccesstokens.oauth.openshift.io",
    "oauthauthorizetokens.oauth.openshift.io",
    "oauthclients.oauth.openshift.io",
    "routes.route.openshift.io",
    "tokens.management.cattle.io",
    "authcodes.dex.coreos.com",
    "authrequests.dex.coreos.com",
    "oauth2clients.dex.coreos.com",
    "offlinesessionses.dex.coreos.com",
    "passwords.dex.coreos.com",
    "refreshtokens.dex.coreos.com",
    "signingkeies.dex.coreos.com",
};

}  // namespace

std::span<const std::string_view> sensitive_resources() noexcept { return kSensitive; }

bool is_sensitive(std::string_view plural_group) noexcept {
  return std::ranges::find(kSensitive, plural_group) != kSensitive.end();
}

}  // namespace podkeeper::kube
