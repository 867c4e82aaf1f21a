// sim/cost/gemm_cost.hpp
//
// Time of a matrix product on a GPU, structured as the hardware does it (tile and wave quantisation as in
// NVIDIA's "Matrix Multiplication Background User's Guide"; the power limit as reported by Horace He,
// "Strangely, Matrix Multiplications on GPUs Run Faster When Given 'Predictable' Data", 2024).
//
// The library picks a tile of the output; `ceil(m/tm) ceil(n/tn) batch splits` thread blocks run in waves of
// one block a multiprocessor, and a part-filled last wave costs a full one. A wave of tiles takes
//     2 tm tn (k/splits + prologue_k) / (efficiency x peak / multiprocessors).
// Splitting k fills the GPU when there are few tiles and pays for writing and reading the partial sums. A
// long dense product is besides held by the power limit (`sustained` x peak) and by its operands' traffic.
// The three are joined by an 8-norm, which is a maximum with a soft corner. What compute cannot hide of the
// output's traffic (the read of an accumulating product included) is added to waves and power.
//     time = layout x unaligned x (fixed + |waves + exposed, power + exposed, traffic|_8)
// The library's choice of tile and split is taken to be the best one.
#pragma once

#include "sim/cost/calibration.hpp"
#include "topologies/cluster.hpp"

namespace orrery::sim {

/// What the model needs to know of the GPU, for one precision.
struct GemmDevice {
    double peak_flops = 0;
    double memory_bandwidth = 0;
    int multiprocessors = 0;
};

/// Seconds for `kernel` (kind gemm) on the device.
double gemm_time(const Kernel& kernel, const GemmModel& model, const GemmDevice& device);

/// Seconds for `kernel` (kind grouped_gemm: `batch` groups of m x n x k, m the tokens of each).
double grouped_gemm_time(const Kernel& kernel, const GroupedGemmModel& grouped, const GemmModel& dense,
                         const GemmDevice& device);

/// The device as the precision's peak sees it; a precision the data sheet lacks takes its nearest wider one.
/// Throws ExperimentError when the GPU has none.
GemmDevice gemm_device(const topologies::Gpu& gpu, Precision precision);

}  // namespace orrery::sim
