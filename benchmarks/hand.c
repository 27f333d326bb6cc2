// One LSTM layer, written by hand: the yardstick of the benchmarks. Gates lie side by side in the order input, forget,
// candidate, output. One matrix product for all inputs and one a step, each followed by one pass over the gates.
#include <math.h>
#include <stdint.h>
#include <string.h>

typedef void (*gemm_t)(int order, int trans_a, int trans_b, BLAS_INT m, BLAS_INT n, BLAS_INT k, float alpha,
                       const float *a, BLAS_INT lda, const float *b, BLAS_INT ldb, float beta, float *c, BLAS_INT ldc);

enum { ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 };

// 2^n for a whole number n of -126 … 127.
static inline float power_of_2(float n) {
    int32_t bits = ((int32_t)n + 127) << 23;
    float result;
    memcpy(&result, &bits, sizeof result);
    return result;
}

// exp(y) - 1 for |y| <= 87: y = n·log 2 + r with |r| <= log(2)/2, the series of exp(r) - 1, and 2^n·(e + 1) - 1.
// Small y keep their digits, since n is 0 for them.
static inline float exp_minus_1(float y) {
    const float shift = 12582912.0f;  // adding and taking away 1.5·2^23 rounds to a whole number
    float n = (y * 1.44269504f + shift) - shift;
    float r = (y - n * 0.693359375f) + n * 2.12194440e-4f;
    float e = 1.0f / 5040;
    e = e * r + 1.0f / 720;
    e = e * r + 1.0f / 120;
    e = e * r + 1.0f / 24;
    e = e * r + 1.0f / 6;
    e = e * r + 0.5f;
    e = e * r * r + r;
    float s = power_of_2(n);
    return s * e + (s - 1.0f);
}

static inline float clamped(float v, float most) { return fminf(fmaxf(v, -most), most); }

static inline float sigmoid(float v) { return 1.0f / (2.0f + exp_minus_1(clamped(-v, 87.0f))); }

// Beyond 9.02 it rounds to 1.
static inline float hyperbolic_tangent(float v) {
    float e = exp_minus_1(2.0f * clamped(v, 9.02f));
    return e / (e + 2.0f);
}

// The gates of one step: products in, activations out, with the new cell and hidden state.
static void gates_forward(int64_t B, int64_t H, const float *restrict b, float *restrict z, const float *restrict before,
                          float *restrict c, float *restrict h) {
    for (int64_t row = 0; row < B; row++) {
        float *restrict zi = z + row * 4 * H, *restrict zf = zi + H, *restrict zg = zf + H, *restrict zo = zg + H;
        const float *restrict last = before + row * H;
        float *restrict cell = c + row * H, *restrict hidden = h + row * H;
        for (int64_t j = 0; j < H; j++) {
            float i = sigmoid(zi[j] + b[j]);
            float f = sigmoid(zf[j] + b[H + j]);
            float g = hyperbolic_tangent(zg[j] + b[2 * H + j]);
            float o = sigmoid(zo[j] + b[3 * H + j]);
            float now = f * last[j] + i * g;
            zi[j] = i, zf[j] = f, zg[j] = g, zo[j] = o;
            cell[j] = now;
            hidden[j] = o * hyperbolic_tangent(now);
        }
    }
}

// Back through one step: activations in, gradients by the products out. dh is the gradient that comes from the step
// behind, dc that of the cell state, which is carried on; the loss Σ h² adds 2h.
static void gates_backward(int64_t B, int64_t H, float *restrict z, const float *restrict before,
                           const float *restrict c, const float *restrict h, const float *restrict dh,
                           float *restrict dc, float *restrict db) {
    for (int64_t row = 0; row < B; row++) {
        float *restrict zi = z + row * 4 * H, *restrict zf = zi + H, *restrict zg = zf + H, *restrict zo = zg + H;
        float *restrict bi = db, *restrict bf = db + H, *restrict bg = db + 2 * H, *restrict bo = db + 3 * H;
        const float *restrict last = before + row * H, *restrict cell = c + row * H, *restrict hidden = h + row * H;
        const float *restrict from = dh + row * H;
        float *restrict carried = dc + row * H;
        for (int64_t j = 0; j < H; j++) {
            float i = zi[j], f = zf[j], g = zg[j], o = zo[j];
            float dout = from[j] + 2.0f * hidden[j];
            // Again, rather than kept: reading it back takes longer.
            float t = hyperbolic_tangent(cell[j]);
            float d = carried[j] + dout * o * (1.0f - t * t);
            float di = d * g * i * (1.0f - i), df = d * last[j] * f * (1.0f - f);
            float dg = d * i * (1.0f - g * g), d_o = dout * t * o * (1.0f - o);
            zi[j] = di, zf[j] = df, zg[j] = dg, zo[j] = d_o;
            bi[j] += di, bf[j] += df, bg[j] += dg, bo[j] += d_o;
            carried[j] = d * f;
        }
    }
}

// hs and cs have T + 1 steps, the first of them the state before; z has T. What comes out: hs, cs, z.
void lstm_forward(gemm_t gemm, int64_t T, int64_t B, int64_t I, int64_t H, const float *x, const float *W,
                  const float *U, const float *b, float *hs, float *cs, float *z) {
    gemm(ROW_MAJOR, PLAIN, PLAIN, T * B, 4 * H, I, 1.0f, x, I, W, 4 * H, 0.0f, z, 4 * H);
    for (int64_t t = 0; t < T; t++) {
        float *now = z + t * B * 4 * H;
        gemm(ROW_MAJOR, PLAIN, PLAIN, B, 4 * H, H, 1.0f, hs + t * B * H, H, U, 4 * H, 1.0f, now, 4 * H);
        gates_forward(B, H, b, now, cs + t * B * H, cs + (t + 1) * B * H, hs + (t + 1) * B * H);
    }
}

// The loss Σ h² and its gradients, from what lstm_forward left; z is overwritten. dh and dc have one step.
double lstm_backward(gemm_t gemm, int64_t T, int64_t B, int64_t I, int64_t H, const float *x, const float *W,
                     const float *U, const float *hs, const float *cs, float *z, float *dh, float *dc, float *dx,
                     float *dW, float *dU, float *db) {
    memset(dh, 0, sizeof(float) * B * H);
    memset(dc, 0, sizeof(float) * B * H);
    memset(db, 0, sizeof(float) * 4 * H);
    double loss = 0;
    for (int64_t t = T - 1; t >= 0; t--) {
        const float *restrict h = hs + (t + 1) * B * H;
        float *now = z + t * B * 4 * H;
        float squares = 0;
#pragma omp simd reduction(+ : squares)
        for (int64_t j = 0; j < B * H; j++) squares += h[j] * h[j];
        loss += squares;
        gates_backward(B, H, now, cs + t * B * H, cs + (t + 1) * B * H, h, dh, dc, db);
        if (t > 0) gemm(ROW_MAJOR, PLAIN, TRANSPOSED, B, H, 4 * H, 1.0f, now, 4 * H, U, 4 * H, 0.0f, dh, H);
    }
    gemm(ROW_MAJOR, TRANSPOSED, PLAIN, I, 4 * H, T * B, 1.0f, x, I, z, 4 * H, 0.0f, dW, 4 * H);
    gemm(ROW_MAJOR, TRANSPOSED, PLAIN, H, 4 * H, T * B, 1.0f, hs, H, z, 4 * H, 0.0f, dU, 4 * H);
    gemm(ROW_MAJOR, PLAIN, TRANSPOSED, T * B, I, 4 * H, 1.0f, z, 4 * H, W, 4 * H, 0.0f, dx, I);
    return loss;
}
