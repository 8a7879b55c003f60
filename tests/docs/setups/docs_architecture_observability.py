"""A pool of processes, and a handler of log lines."""

import logging
from concurrent.futures import ThreadPoolExecutor

import dfd_obs

pool = ThreadPoolExecutor(1)
handler = logging.StreamHandler()
