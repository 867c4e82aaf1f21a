// profiler/execute/device_run.hpp
//
// One step of a program on devices. Each rank has a thread, its host: it issues the rank's tasks in the
// program's order, as far ahead of the devices as it gets, and never waits for another rank. A task is issued
// when what it waits for has been issued; the devices see to the rest by marks. So every wait is for a mark
// that has been recorded, whatever the devices are doing: what can be issued to its end runs to its end. An
// operation of a communicator is issued by the member that comes to it last, for all; until then the streams
// of the others stand, and their hosts go on with other streams.
//
// Memory is taken and given back where the host passes the task, as a framework's allocator does; the peak is
// the most that was allocated at one moment of that order.
#pragma once

#include <vector>

#include "core/error.hpp"
#include "profiler/execute/device_program.hpp"

namespace orrery::profiler {

/// The execution broke off, and a host does not come back from a device: what it uses must never be
/// destroyed.
class HostsLost : public ExperimentError {
  public:
    using ExperimentError::ExperimentError;
};

/// Throws ExperimentError where nothing has ended for so long as the options say (tasks in flight named),
/// where members of a communicator disagree, where a device fails. The devices are abandoned then.
MeasuredStep run_device_step(DeviceProgram& program, const ExecuteOptions& options);

/// Executes the runs one after the other on the devices. Throws as run_device_step; what is not the caller's
/// is kept where hosts are lost.
Execution execute_on_devices(const std::vector<PlannedRun>& runs, const ExecuteOptions& options,
                             Devices& devices);

}  // namespace orrery::profiler
