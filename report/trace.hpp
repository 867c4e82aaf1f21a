// report/trace.hpp
//
// A timeline as a trace for https://ui.perfetto.dev and chrome://tracing: the Trace Event Format (JSON object
// form). A process is a rank, a thread one of its streams, a complete event ("X") a task; times are
// microseconds. Sends are joined to their receives by flow events ("s", "f").
//
// Written as a stream: memory does not grow with the number of tasks.
#pragma once

#include <cstdint>
#include <string>

#include "report/gzip_writer.hpp"
#include "sim/program.hpp"
#include "sim/timeline.hpp"

namespace orrery::report {

struct TraceOptions {
    /// With more tasks than this, only the first rank of each pipeline device is written (the viewer reads a
    /// few million events at most); the trace's otherData says so.
    std::uint64_t most_tasks = 2'000'000;
};

/// Writes the JSON text to `sink`, in pieces.
void write_trace(const sim::Program& program, const sim::Timeline& timeline, const ByteSink& sink,
                 const TraceOptions& options = {});

/// The same, gzipped: the bytes of trace.json.gz.
std::string trace_json_gz(const sim::Program& program, const sim::Timeline& timeline,
                          const TraceOptions& options = {});

}  // namespace orrery::report
