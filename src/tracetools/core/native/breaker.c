/* Asks the main thread for a pending call, and has it look for that at its next check.

   Before Python 3.13, CPython sees to the latter only when it is asked in the main thread: else the
   main thread looks when it has taken the GIL the next time, which a step that computes never does.
   There is no public function for it, so this file alone sets a field of CPython's own:
   `ceval.eval_breaker` of the interpreter, which says that there is something to look at. It is
   atomic, and any thread may set it.

   Before Python 3.12, `Py_AddPendingCall` asks the interpreter of the thread that has the GIL just
   then. That thread may end meanwhile, and its state be freed; or it runs a subinterpreter, which
   never makes the call. So here the function below it is called, which takes the interpreter. */

#include <patchlevel.h>
#if PY_VERSION_HEX < 0x030D0000
#define Py_BUILD_CORE_MODULE 1
#endif
#include "sampler.h"

#ifdef HAVE_SAMPLER

#if PY_VERSION_HEX < 0x030D0000

#include <internal/pycore_ceval.h>
#include <internal/pycore_interp.h>

void
look_at_pending_calls(void)
{
    if (Py_IsInitialized()) {
        _Py_atomic_store_relaxed(&PyInterpreterState_Main()->ceval.eval_breaker, 1);
    }
}

#else

void
look_at_pending_calls(void)
{
}

#endif

int
add_pending_call(int (*function)(void *), void *argument)
{
    if (!Py_IsInitialized()) { /* it ends, and what would end the thread was not called */
        return -1;
    }
#if PY_VERSION_HEX < 0x030C0000
    return _PyEval_AddPendingCall(PyInterpreterState_Main(), function, argument);
#else
    return Py_AddPendingCall(function, argument);
#endif
}

#endif
