#include "pkg/access/authorized.h"

#include "pkg/base/result.h"

#include <boost/asio/ip/address.hpp>
#include <boost/system/error_code.hpp>

#include <string>
#include <string_view>
#include <utility>

namespace podkeeper::access {

base::Result<AuthorizedRead> LoopbackAuthorizer::read(std::string_view, ReadScope scope) {
  return issue(std::move(scope));
}

bool is_loopback(std::string_view host) noexcept {
  if (host == "localhost") return true;
  boost::system::error_code failed;
  const auto address = boost::asio::ip::make_address(std::string(host), failed);
  return !failed && address.is_loopback();
}

}  // namespace podkeeper::access
