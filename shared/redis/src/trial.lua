-- A write that means nothing. KEYS[1] a name for it.
redis.call('SET', KEYS[1], '', 'PX', 10000)
return 1
