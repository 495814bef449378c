#pragma once

#include "pkg/base/processes.h"

#include <boost/asio/io_context.hpp>

namespace podkeeper::runtime {

/// Programs of the system, each in a process group of its own.
class RealProcesses final : public base::Processes {
 public:
  RealProcesses(boost::asio::io_context& io, base::Clock& clock) : io_(io), clock_(clock) {}
  base::Task<base::Result<base::ProgramEnd>> run(base::Program program,
                                                 base::MonotonicTime deadline) override;

 private:
  boost::asio::io_context& io_;
  base::Clock& clock_;
};

}  // namespace podkeeper::runtime
