// Matrix products through cuBLASLt, groups of them through cuBLAS.
#include <algorithm>
#include <array>
#include <optional>

#include "profiler/kernels/cuda/launchable.hpp"

namespace orrery::profiler::cuda {
namespace {

/// A cuBLASLt descriptor with its destructor.
template <class Handle, cublasStatus_t (*Destroy)(Handle)>
class Descriptor {
  public:
    Descriptor() = default;
    ~Descriptor() {
        if (handle_ != nullptr) (void)Destroy(handle_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    Handle* address() { return &handle_; }
    [[nodiscard]] Handle get() const { return handle_; }

  private:
    Handle handle_ = nullptr;
};

using Layout = Descriptor<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;
using MatmulDescriptor = Descriptor<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>;
using Preference = Descriptor<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>;

/// How the operands lie, column-major (GemmLayout's names).
struct Storage {
    cublasOperation_t a_operation, b_operation;
    std::int64_t a_rows, a_columns, b_rows, b_columns;

    explicit Storage(const Kernel& k) {
        const bool a_transposed = k.layout == GemmLayout::tn || k.precision == Precision::fp8;
        const bool b_transposed = k.layout == GemmLayout::nt && k.precision != Precision::fp8;
        a_operation = a_transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
        b_operation = b_transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
        a_rows = a_transposed ? k.k : k.m;
        a_columns = a_transposed ? k.m : k.k;
        b_rows = b_transposed ? k.n : k.k;
        b_columns = b_transposed ? k.k : k.n;
    }
};

std::size_t elements(std::int64_t a, std::int64_t b, std::int64_t c = 1) {
    return static_cast<std::size_t>(a) * static_cast<std::size_t>(b) * static_cast<std::size_t>(c);
}

std::vector<Operand> product_operands(const Kernel& k) {
    const auto in = static_cast<std::size_t>(bytes_of(k.precision));
    const auto out = static_cast<std::size_t>(bytes_of(k.output));
    const Contents result = out == 4 ? Contents::random_fp32 : Contents::random;
    return {{elements(k.batch, k.m, k.k), in, Contents::random},
            {elements(k.batch, k.k, k.n), in, Contents::random},
            {elements(k.batch, k.m, k.n), out, result}};
}

class Gemm final : public Launchable {
  public:
    Gemm(const Kernel& kernel, Context& context) : kernel_(kernel), context_(context) {
        const Storage storage(kernel);
        ORRERY_CUDA(cublasLtMatmulDescCreate(matmul_.address(), compute_type(kernel.precision), CUDA_R_32F));
        set(CUBLASLT_MATMUL_DESC_TRANSA, storage.a_operation);
        set(CUBLASLT_MATMUL_DESC_TRANSB, storage.b_operation);
        if (context.multiprocessors > 0) {
            const std::int32_t share = context.multiprocessors;
            set(CUBLASLT_MATMUL_DESC_SM_COUNT_TARGET, share);
        }
        if (kernel.precision == Precision::fp8) {
            const void* scale = context.one.data();
            set(CUBLASLT_MATMUL_DESC_A_SCALE_POINTER, scale);
            set(CUBLASLT_MATMUL_DESC_B_SCALE_POINTER, scale);
        }
        lay_out(a_, kernel.precision, storage.a_rows, storage.a_columns);
        lay_out(b_, kernel.precision, storage.b_rows, storage.b_columns);
        lay_out(c_, kernel.output, kernel.m, kernel.n);
        choose_algorithm();
    }

    [[nodiscard]] std::vector<Operand> operands() const override { return product_operands(kernel_); }

    [[nodiscard]] std::string implementation() const override {
        const bool transposed = kernel_.precision == Precision::fp8 && kernel_.layout != GemmLayout::tn;
        return transposed ? "cublasLt, operands transposed beforehand" : "cublasLt";
    }

    void launch(void* const* o) override {
        const float one = 1;
        const float beta = kernel_.accumulate ? 1 : 0;
        ORRERY_CUDA(cublasLtMatmul(context_.blas_lt, matmul_.get(), &one, o[0], a_.get(), o[1], b_.get(),
                                   &beta, o[2], c_.get(), o[2], c_.get(), &algorithm_,
                                   context_.workspace.data(), context_.workspace.bytes(), context_.stream));
    }

  private:
    template <class T>
    void set(cublasLtMatmulDescAttributes_t attribute, const T& value) {
        ORRERY_CUDA(cublasLtMatmulDescSetAttribute(matmul_.get(), attribute, &value, sizeof value));
    }

    void lay_out(Layout& layout, Precision precision, std::int64_t rows, std::int64_t columns) {
        ORRERY_CUDA(cublasLtMatrixLayoutCreate(layout.address(), data_type(precision),
                                               static_cast<std::uint64_t>(rows),
                                               static_cast<std::uint64_t>(columns), rows));
        const auto batch = static_cast<std::int32_t>(kernel_.batch);
        const std::int64_t stride = rows * columns;
        ORRERY_CUDA(cublasLtMatrixLayoutSetAttribute(layout.get(), CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batch,
                                                     sizeof batch));
        ORRERY_CUDA(cublasLtMatrixLayoutSetAttribute(
            layout.get(), CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride, sizeof stride));
    }

    void choose_algorithm() {
        Preference preference;
        ORRERY_CUDA(cublasLtMatmulPreferenceCreate(preference.address()));
        const std::size_t bytes = context_.workspace.bytes();
        ORRERY_CUDA(cublasLtMatmulPreferenceSetAttribute(
            preference.get(), CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &bytes, sizeof bytes));
        cublasLtMatmulHeuristicResult_t result{};
        int found = 0;
        ORRERY_CUDA(cublasLtMatmulAlgoGetHeuristic(context_.blas_lt, matmul_.get(), a_.get(), b_.get(),
                                                   c_.get(), c_.get(), preference.get(), 1, &result, &found));
        if (found == 0) throw ExperimentError("cuBLASLt has no algorithm for it");
        algorithm_ = result.algo;
    }

    Kernel kernel_;
    Context& context_;
    MatmulDescriptor matmul_;
    Layout a_, b_, c_;
    cublasLtMatmulAlgo_t algorithm_{};
};

class GroupedGemm final : public Launchable {
  public:
    GroupedGemm(const Kernel& kernel, Context& context)
        : kernel_(kernel),
          context_(context),
          pointers_(3 * static_cast<std::size_t>(kernel.batch) * sizeof(void*)) {}

    [[nodiscard]] std::vector<Operand> operands() const override { return product_operands(kernel_); }
    [[nodiscard]] std::string implementation() const override { return "cublas grouped"; }

    void launch(void* const* o) override {
        const auto groups = static_cast<std::size_t>(kernel_.batch);
        point_to(o);
        const Storage storage(kernel_);
        const std::vector<cublasOperation_t> ta(groups, storage.a_operation);
        const std::vector<cublasOperation_t> tb(groups, storage.b_operation);
        const std::vector<int> m(groups, static_cast<int>(kernel_.m));
        const std::vector<int> n(groups, static_cast<int>(kernel_.n));
        const std::vector<int> k(groups, static_cast<int>(kernel_.k));
        const std::vector<int> lda(groups, static_cast<int>(storage.a_rows));
        const std::vector<int> ldb(groups, static_cast<int>(storage.b_rows));
        const std::vector<int> each(groups, 1);
        const std::vector<float> one(groups, 1.0F);
        const std::vector<float> zero(groups, 0.0F);
        auto* list = static_cast<void**>(pointers_.data());
        ORRERY_CUDA(cublasGemmGroupedBatchedEx(
            context_.blas, ta.data(), tb.data(), m.data(), n.data(), k.data(), one.data(), list,
            data_type(kernel_.precision), lda.data(), list + groups, data_type(kernel_.precision), ldb.data(),
            zero.data(), list + 2 * groups, data_type(kernel_.output), m.data(), static_cast<int>(groups),
            each.data(), compute_type(kernel_.precision)));
    }

  private:
    /// Writes the matrices' addresses to the device, once for each set of operands.
    void point_to(void* const* o) {
        if (pointed_ && std::equal(o, o + 3, current_.begin())) return;
        const auto groups = static_cast<std::size_t>(kernel_.batch);
        const auto in = static_cast<std::size_t>(bytes_of(kernel_.precision));
        const auto out = static_cast<std::size_t>(bytes_of(kernel_.output));
        const std::array<std::size_t, 3> strides{elements(kernel_.m, kernel_.k) * in,
                                                 elements(kernel_.k, kernel_.n) * in,
                                                 elements(kernel_.m, kernel_.n) * out};
        std::vector<void*> list;
        for (std::size_t operand = 0; operand < 3; ++operand) {
            for (std::size_t group = 0; group < groups; ++group) {
                list.push_back(static_cast<std::byte*>(o[operand]) + group * strides[operand]);
            }
        }
        ORRERY_CUDA(
            cudaMemcpy(pointers_.data(), list.data(), list.size() * sizeof(void*), cudaMemcpyHostToDevice));
        std::copy(o, o + 3, current_.begin());
        pointed_ = true;
    }

    Kernel kernel_;
    Context& context_;
    DeviceBuffer pointers_;
    std::array<void*, 3> current_{};
    bool pointed_ = false;
};

}  // namespace

cudaDataType_t data_type(Precision precision) {
    switch (precision) {
        case Precision::fp16:
            return CUDA_R_16F;
        case Precision::bf16:
            return CUDA_R_16BF;
        case Precision::fp8:
            return CUDA_R_8F_E4M3;
        case Precision::fp32:
        case Precision::tf32:
            break;
    }
    return CUDA_R_32F;
}

cublasComputeType_t compute_type(Precision precision) {
    return precision == Precision::tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
}

std::unique_ptr<Launchable> make_gemm(const Kernel& kernel, Context& context) {
    return std::make_unique<Gemm>(kernel, context);
}

std::unique_ptr<Launchable> make_grouped_gemm(const Kernel& kernel, Context& context) {
    return std::make_unique<GroupedGemm>(kernel, context);
}

}  // namespace orrery::profiler::cuda
