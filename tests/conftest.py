"""What holds for all tests."""

import signal

# Who runs tests in the background of a shell has SIGINT ignored, and so have all programs that tests start; some of them
# are to be ended with Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
