// cuDNN's fused attention through its backend interface: one operation, scaled dot product attention.
//
// Full masks only: the operation's descriptor in cuDNN 9.19 has no causal mask of its own (the header-only
// front end builds that from a dozen operations). Whatever cuDNN refuses at planning time becomes "no plan",
// and the caller falls back to the unfused form.
#include "profiler/kernels/cuda/launchable.hpp"

#ifdef ORRERY_HAVE_CUDNN
#include <cudnn.h>

#include <cmath>
#include <cstdint>
#include <initializer_list>
#endif

namespace orrery::profiler::cuda {

#ifdef ORRERY_HAVE_CUDNN
namespace {

void check_cudnn(cudnnStatus_t status, const char* call) {
    if (status != CUDNN_STATUS_SUCCESS)
        throw ExperimentError(std::string(call) + ": " + cudnnGetErrorString(status));
}
#define ORRERY_CUDNN(call) check_cudnn((call), #call)

/// A backend descriptor: attributes are set, then it is made final.
class Descriptor {
  public:
    explicit Descriptor(cudnnBackendDescriptorType_t type) {
        ORRERY_CUDNN(cudnnBackendCreateDescriptor(type, &handle_));
    }
    ~Descriptor() { (void)cudnnBackendDestroyDescriptor(handle_); }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;

    template <class T>
    void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const T* values,
             std::int64_t count = 1) {
        ORRERY_CUDNN(cudnnBackendSetAttribute(handle_, name, type, count, values));
    }
    void set(cudnnBackendAttributeName_t name, const Descriptor& value) {
        set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, &value.handle_);
    }
    void finalize() { ORRERY_CUDNN(cudnnBackendFinalize(handle_)); }
    [[nodiscard]] cudnnBackendDescriptor_t get() const { return handle_; }

  private:
    cudnnBackendDescriptor_t handle_ = nullptr;
};

cudnnDataType_t cudnn_type(Precision precision) {
    return precision == Precision::fp16 ? CUDNN_DATA_HALF : CUDNN_DATA_BFLOAT16;
}

/// [batch, heads, seq, d] with strides; `id` names it in the variant pack.
void describe_tensor(Descriptor& tensor, std::int64_t id, cudnnDataType_t type,
                     std::initializer_list<std::int64_t> extents, std::initializer_list<std::int64_t> strides,
                     bool by_value = false) {
    constexpr std::int64_t kAlignment = 16;
    tensor.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, &id);
    tensor.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, &type);
    tensor.set(CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, extents.begin(),
               static_cast<std::int64_t>(extents.size()));
    tensor.set(CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, strides.begin(),
               static_cast<std::int64_t>(strides.size()));
    tensor.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, &kAlignment);
    if (by_value) tensor.set(CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, &by_value);
    tensor.finalize();
}

class CudnnHandle {
  public:
    explicit CudnnHandle(cudaStream_t stream) {
        ORRERY_CUDNN(cudnnCreate(&handle_));
        ORRERY_CUDNN(cudnnSetStream(handle_, stream));
    }
    ~CudnnHandle() { (void)cudnnDestroy(handle_); }
    CudnnHandle(const CudnnHandle&) = delete;
    CudnnHandle& operator=(const CudnnHandle&) = delete;
    cudnnHandle_t handle_ = nullptr;
};

class CudnnAttention final : public Launchable {
  public:
    CudnnAttention(const Kernel& kernel, Context& context)
        : k_(kernel),
          kv_heads_(kernel.kv_heads > 0 ? kernel.kv_heads : kernel.heads),
          handle_(context.stream) {
        build();
    }

    /// q, k, v, out, statistics; backward: and dout, dq, dk, dv.
    [[nodiscard]] std::vector<Operand> operands() const override {
        const auto e = static_cast<std::size_t>(bytes_of(k_.precision));
        const Operand query{static_cast<std::size_t>(k_.batch * k_.heads * k_.m * k_.k), e, Contents::random};
        const Operand key{static_cast<std::size_t>(k_.batch * kv_heads_ * k_.n * k_.k), e, Contents::random};
        const Operand statistics{static_cast<std::size_t>(k_.batch * k_.heads * k_.m), 4,
                                 Contents::random_fp32};
        if (!k_.backward) return {query, key, key, query, statistics};
        return {query, key, key, query, statistics, query, query, key, key};
    }

    [[nodiscard]] std::string implementation() const override { return "cudnn"; }

    void launch(void* const* o) override {
        const std::size_t count = operands().size();
        std::vector<std::int64_t> ids;
        std::vector<void*> pointers;
        for (std::size_t i = 0; i < count; ++i) {
            ids.push_back(static_cast<std::int64_t>(i) + 1);
            pointers.push_back(o[i]);
        }
        ids.push_back(kScaleId);
        pointers.push_back(&scale_);
        Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
        void* workspace = workspace_.data();
        pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, ids.data(),
                 static_cast<std::int64_t>(ids.size()));
        pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, pointers.data(),
                 static_cast<std::int64_t>(pointers.size()));
        pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, &workspace);
        pack.finalize();
        ORRERY_CUDNN(cudnnBackendExecute(handle_.handle_, plan_.get(), pack.get()));
    }

  private:
    static constexpr std::int64_t kScaleId = 100;

    void build() {
        const std::int64_t d = k_.k;
        const cudnnDataType_t type = cudnn_type(k_.precision);
        const auto queries = [&](Descriptor& t, std::int64_t id) {
            describe_tensor(t, id, type, {k_.batch, k_.heads, k_.m, d},
                            {k_.m * k_.heads * d, d, k_.heads * d, 1});
        };
        const auto keys = [&](Descriptor& t, std::int64_t id) {
            describe_tensor(t, id, type, {k_.batch, kv_heads_, k_.n, d},
                            {k_.n * kv_heads_ * d, d, kv_heads_ * d, 1});
        };
        constexpr auto kTensor = CUDNN_BACKEND_TENSOR_DESCRIPTOR;
        Descriptor q(kTensor), k(kTensor), v(kTensor), out(kTensor), statistics(kTensor), scale(kTensor);
        queries(q, 1);
        keys(k, 2);
        keys(v, 3);
        queries(out, 4);
        describe_tensor(statistics, 5, CUDNN_DATA_FLOAT, {k_.batch, k_.heads, k_.m, 1},
                        {k_.heads * k_.m, k_.m, 1, 1});
        describe_tensor(scale, kScaleId, CUDNN_DATA_FLOAT, {1, 1, 1, 1}, {1, 1, 1, 1}, true);
        Descriptor dout(kTensor), dq(kTensor), dk(kTensor), dv(kTensor);
        Descriptor operation(k_.backward ? CUDNN_BACKEND_OPERATION_SDPA_BWD_DESCRIPTOR
                                         : CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR);
        if (k_.backward) {
            queries(dout, 6);
            queries(dq, 7);
            keys(dk, 8);
            keys(dv, 9);
            operation.set(CUDNN_ATTR_OPERATION_SDPA_BWD_QDESC, q);
            operation.set(CUDNN_ATTR_OPERATION_SDPA_BWD_KDESC, k);
            operation.set(CUDNN_ATTR_OPERATION_SDPA_BWD_VDESC, v);
            operation.set(CUDNN_ATTR_OPERATION_SDPA_BWD_ODESC, out);
            operation.set(CUDNN_ATTR_OPERATION_SDPA_BWD_STATSDESC, statistics);
            operation.set(CUDNN_ATTR_OPERATION_SDPA_BWD_SCALEDESC, scale);
            operation.set(CUDNN_ATTR_OPERATION_SDPA_BWD_DODDESC, dout);
            operation.set(CUDNN_ATTR_OPERATION_SDPA_BWD_DQDESC, dq);
            operation.set(CUDNN_ATTR_OPERATION_SDPA_BWD_DKDESC, dk);
            operation.set(CUDNN_ATTR_OPERATION_SDPA_BWD_DVDESC, dv);
        } else {
            operation.set(CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC, q);
            operation.set(CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC, k);
            operation.set(CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC, v);
            operation.set(CUDNN_ATTR_OPERATION_SDPA_FWD_ODESC, out);
            operation.set(CUDNN_ATTR_OPERATION_SDPA_FWD_STATSDESC, statistics);
            operation.set(CUDNN_ATTR_OPERATION_SDPA_FWD_SCALEDESC, scale);
        }
        operation.finalize();
        plan_for(operation);
    }

    void plan_for(const Descriptor& operation) {
        Descriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
        graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, operation);
        graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, &handle_.handle_);
        graph.finalize();
        Descriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
        const cudnnBackendHeurMode_t mode = CUDNN_HEUR_MODE_A;
        heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
        heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, &mode);
        heuristics.finalize();
        Descriptor configuration(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
        cudnnBackendDescriptor_t found = configuration.get();
        std::int64_t count = 0;
        ORRERY_CUDNN(cudnnBackendGetAttribute(heuristics.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                              CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &found));
        if (count == 0) throw ExperimentError("cuDNN has no engine for it");
        plan_.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, &handle_.handle_);
        plan_.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration);
        plan_.finalize();
        std::int64_t bytes = 0;
        ORRERY_CUDNN(cudnnBackendGetAttribute(plan_.get(), CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                              CUDNN_TYPE_INT64, 1, &count, &bytes));
        workspace_ = DeviceBuffer(static_cast<std::size_t>(bytes));
    }

    Kernel k_;
    std::int64_t kv_heads_;
    CudnnHandle handle_;
    Descriptor plan_{CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR};
    DeviceBuffer workspace_;
    float scale_ = 1 / std::sqrt(static_cast<float>(k_.k));
};

}  // namespace

std::unique_ptr<Launchable> make_cudnn_attention(const Kernel& kernel, Context& context) {
    const bool half = kernel.precision == Precision::bf16 || kernel.precision == Precision::fp16;
    if (kernel.causal || !half) return nullptr;
    try {
        return std::make_unique<CudnnAttention>(kernel, context);
    } catch (const ExperimentError&) {
        return nullptr;  // no plan: the caller has another way
    }
}

std::string cudnn_version() {
    const std::size_t version = cudnnGetVersion();
    return "cuDNN " + std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
           std::to_string(version % 100);
}
#else
std::unique_ptr<Launchable> make_cudnn_attention(const Kernel& /*kernel*/, Context& /*context*/) {
    return nullptr;
}

std::string cudnn_version() {
    return "no cuDNN";
}
#endif

}  // namespace orrery::profiler::cuda
