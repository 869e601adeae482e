/* Has the main thread look for pending calls at its next check.

   From Python 3.12 on, `Py_AddPendingCall` sees to that. Before, it does so only when it is called in
   the main thread: else the main thread looks when it has taken the GIL the next time, which a step
   that computes never does. There is no public function for it, so this file alone sets a field of
   CPython's own: `ceval.eval_breaker` of the interpreter, which says that there is something to
   look at. It is atomic, and any thread may set it. */

#include <patchlevel.h>
#if PY_VERSION_HEX < 0x030C0000
#define Py_BUILD_CORE_MODULE 1
#endif
#include "sampler.h"

#ifdef HAVE_SAMPLER

#if PY_VERSION_HEX < 0x030C0000

#include <internal/pycore_interp.h>

void
look_at_pending_calls(void)
{
    _Py_atomic_store_relaxed(&PyInterpreterState_Main()->ceval.eval_breaker, 1);
}

#else

void
look_at_pending_calls(void)
{
}

#endif

#endif
