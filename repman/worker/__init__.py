"""The process that runs jobs and live reads, so that nothing slow is ever done by web, probes or monitor."""
