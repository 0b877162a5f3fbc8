"""A general library over the Kubernetes API: synced caches, a workqueue, writes, events, leader election.

It guarantees that a store holds what the server had at one resourceVersion and gets every later change, whatever the
network does; that a key is never worked on twice at a time and never forgotten; that nothing is written past the gate,
and nothing repeated that the server didn't ask to have repeated. It refuses to know what is in the objects: their classes,
indexes and handlers are passed in.

From the wire up: `credentials`, `plugins`, `config`, `sessions`, `transport`, `lines`, `wire` · `ahead`, `phases`, `reflector`,
`store`, `informer` · `queue`, `worker`, `consistency` · `writer`, `events` · `lease`, `watchdog`.
"""
