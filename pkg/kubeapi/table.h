#pragma once

#include "pkg/base/clock.h"
#include "pkg/kube/object.h"
#include "pkg/kube/resource.h"
#include "pkg/kubeapi/json_path.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace podkeeper::kubeapi {

/// A column of a custom resource's Table, beside Name: an additionalPrinterColumn.
struct PrinterColumn {
  std::string name;
  std::string type;  ///< string, integer, number, boolean or date
  std::string format;
  std::string description;
  std::int32_t priority = 0;  ///< above 0: shown by -o wide alone
  JsonPath path;
  bool age = false;  ///< of the object itself; `path` leads to its creationTimestamp
  friend bool operator==(const PrinterColumn&, const PrinterColumn&) = default;
};
/// What upstream shows where a custom resource has no columns of its own.
PrinterColumn age_column();

/// How a resource looks as a Table, as kubectl get shows it: pods, nodes and events have columns of
/// their own, a custom resource has `custom`, everything else Name and Created At. Immutable.
class TableView {
 public:
  TableView(const kube::Resource& resource, std::vector<PrinterColumn> custom);
  /// columnDefinitions.
  [[nodiscard]] std::string_view columns() const noexcept { return columns_; }
  /// A row up to and with `"object":`, with ages as of `now`. O(body) for events, and for custom
  /// columns beside the age.
  [[nodiscard]] std::string row_head(const kube::Object& object, base::WallTime now) const;

 private:
  bool events_;
  bool reads_body_;  ///< a custom column needs more than metadata tells
  std::vector<PrinterColumn> custom_;
  std::string columns_;
};

/// An age as kubectl words it: 5s, 3m20s, 45m, 3h5m, 2d1h, 3y12d.
std::string human_duration(std::chrono::seconds age);

}  // namespace podkeeper::kubeapi
